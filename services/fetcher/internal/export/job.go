package export

import (
	"net/url"
	"regexp"
	"strconv"
	"time"

	"github.com/stoker-fhir/stoker/pkg/outbound"
)

// State is how far a job is.
type State int

// The states; see the package's documentation for what follows what.
const (
	Asking   State = iota // the server has not said that it has begun
	UnderWay              // it has
	Ready                 // there is a manifest at the status URL, or nothing to import
	Failed
)

// Job is an export at a server. It is stored as JSON, and may hold secrets in its status URL.
type Job struct {
	State    State     `json:"state"`
	Status   string    `json:"status,omitempty"`   // URL; "" before the server has begun
	Server   string    `json:"server,omitempty"`   // origin that answered that it has begun
	Asked    time.Time `json:"asked,omitzero"`     // when the server was asked first
	Begun    time.Time `json:"begun,omitzero"`     // when it said that it has begun
	Failures int       `json:"failures,omitempty"` // in a row
	Failing  time.Time `json:"failing,omitzero"`   // since when
	Nothing  bool      `json:"nothing,omitempty"`  // the server says that there is nothing new
	Percent  int       `json:"percent,omitempty"`  // as the server says
	Reason   string    `json:"reason,omitempty"`   // why it failed, or what it waits for
}

// Limits of a job.
const (
	maxAsked    = 8                   // failures in a row, of no answer or one that passes, before the server has begun
	maxUnsure   = 3                   // failures in a row that mostly stay
	maxFailing  = 24 * time.Hour      // without an answer that says how far it is
	maxUnderWay = 14 * 24 * time.Hour // from when it has begun
)

// Limits of waiting.
const (
	minWait  = time.Second
	maxWait  = 5 * time.Minute // where the server does not say
	maxAfter = 24 * time.Hour  // where it does
)

// wait is how long to wait where the server says after, or else would.
func wait(after, would time.Duration) time.Duration {
	if after > 0 {
		return min(max(after, minWait), maxAfter)
	}
	return min(max(would, minWait), maxWait)
}

// fail ends a job.
func (j Job) fail(reason string) (Job, time.Duration) {
	j.State, j.Reason = Failed, reason
	return j, 0
}

// again is a job whose request failed and is to be made again, unless it was tried enough.
func (j Job) again(now time.Time, f fate, after time.Duration, why string) (Job, time.Duration) {
	if j.Failures == 0 {
		j.Failing = now
	}
	j.Failures++
	j.Reason = why
	switch {
	case f == refused,
		f == unsure && j.Failures >= maxUnsure,
		f == passing && j.State == Asking && j.Failures >= maxAsked:
		return j.fail(why)
	case now.Sub(j.Failing) >= maxFailing:
		return j.fail("for a day nothing else was had from the server: " + why)
	}
	return j, wait(after, minWait<<min(j.Failures-1, 10))
}

// goesOn is a job whose request was answered as it should be.
func (j Job) goesOn() Job {
	j.Failures, j.Failing, j.Reason = 0, time.Time{}, ""
	return j
}

// percent finds "45 %" in what a server says of its progress.
var percent = regexp.MustCompile(`(\d{1,3})(?:\.\d+)?\s?%`)

func percentOf(progress string) int {
	m := percent.FindStringSubmatch(progress)
	if m == nil {
		return 0
	}
	n, err := strconv.Atoi(m[1])
	if err != nil || n > 100 {
		return 0
	}
	return n
}

// Waits says what a job waits for, for people.
func (j Job) Waits(server *url.URL) string {
	at := outbound.Origin(server)
	switch {
	case j.Reason != "":
		return "the export at " + at + " cannot be asked for now: " + j.Reason
	case j.State == Asking:
		return "the export at " + at + " is asked for"
	case j.Percent > 0:
		return "the export at " + at + " is under way, " + strconv.Itoa(j.Percent) + " %"
	default:
		return "the export at " + at + " is under way"
	}
}
