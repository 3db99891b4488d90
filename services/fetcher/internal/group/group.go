package group

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Limits of a Group.
const (
	MaxSize    = 64 << 20 // bytes of the resource
	maxMembers = 1_000_000
)

// idPattern is FHIR's (https://hl7.org/fhir/R4/datatypes.html#id), and longer ones, as some servers have.
var idPattern = regexp.MustCompile(`^[A-Za-z0-9\-._]{1,128}$`)

// Member is Group.member, as far as it matters here.
type Member struct {
	Entity struct {
		Reference string `json:"reference"`
	} `json:"entity"`
	Period struct {
		Start string `json:"start"`
		End   string `json:"end"`
	} `json:"period"`
	Inactive bool `json:"inactive"`
}

// At reports whether it is a member at a time: not inactive, and within its period.
func (m Member) At(now time.Time) bool {
	return !m.Inactive && !isToCome(m.Period.Start, now) && !isOver(m.Period.End, now)
}

// Patients are the ids of the patients of a server, by its base URL, who are members of a Group at a time, in order and each once. Members that
// are no patients, or another server's, and such as are not members yet or any more, are passed over. Errors repeat nothing of the content.
func Patients(content []byte, base string, now time.Time) ([]string, error) {
	if len(content) > MaxSize {
		return nil, fmt.Errorf("the Group has more than %d bytes", MaxSize)
	}
	var g struct {
		ResourceType string   `json:"resourceType"`
		Member       []Member `json:"member"`
	}
	if err := json.Unmarshal(content, &g); err != nil || g.ResourceType != "Group" {
		return nil, errors.New("what the server sent is no Group in JSON")
	}
	if len(g.Member) > maxMembers {
		return nil, fmt.Errorf("the Group has more than %d members", maxMembers)
	}
	base = strings.TrimSuffix(base, "/") + "/"
	ids := []string{}
	for _, m := range g.Member {
		if id := patientID(m.Entity.Reference, base); id != "" && m.At(now) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// isOver reports whether a period that ends so (a dateTime of FHIR) is over. A day, month or year is part of it until it has ended everywhere.
func isOver(end string, now time.Time) bool {
	_, to, ok := interval(end)
	return ok && to.Before(now)
}

// isToCome reports whether a period that begins so is yet to come. A day begins when it has begun everywhere: who counts as a member too late is
// one who joins then, and who counts too early would never be.
func isToCome(start string, now time.Time) bool {
	from, _, ok := interval(start)
	return ok && from.After(now)
}

// interval is from when to when a dateTime of FHIR is (https://hl7.org/fhir/R4/datatypes.html#dateTime): a day, month or year without a zone
// from when it has begun everywhere until it has ended everywhere.
func interval(dateTime string) (from, to time.Time, ok bool) {
	if t, err := time.Parse(time.RFC3339, dateTime); err == nil {
		return t, t, true
	}
	const last = 12 * time.Hour // of all zones, behind UTC
	for _, d := range []struct {
		layout              string
		years, months, days int
	}{{time.DateOnly, 0, 0, 1}, {"2006-01", 0, 1, 0}, {"2006", 1, 0, 0}} {
		if t, err := time.Parse(d.layout, dateTime); err == nil {
			return t.Add(last), t.AddDate(d.years, d.months, d.days).Add(last), true
		}
	}
	return time.Time{}, time.Time{}, false
}

// patientID is the id that a reference to a Patient of the server names, relative or beginning with its base; "" where it names none.
func patientID(reference, base string) string {
	id, ok := strings.CutPrefix(strings.TrimPrefix(reference, base), "Patient/")
	id, _, _ = strings.Cut(id, "/_history/")
	if !ok || !idPattern.MatchString(id) {
		return ""
	}
	return id
}

// Joined are those of now who are not among those before; both are in order.
func Joined(before, now []string) (joined []string) {
	for _, id := range now {
		if _, ok := slices.BinarySearch(before, id); !ok {
			joined = append(joined, id)
		}
	}
	return joined
}
