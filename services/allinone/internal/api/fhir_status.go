package api

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// ownJob reads the id of the path, of a job that is the caller's and was not removed. ok is false when an
// answer was given.
func (s *Server) ownJob(w http.ResponseWriter, r *http.Request) (id fhirmsg.ImportID, job ledger.Job, ok bool) {
	if id, ok = importID(w, r); !ok {
		return id, job, false
	}
	job, err := s.Ledger.Job(r.Context(), id)
	c := callerOf(r)
	switch {
	case errors.Is(err, ledger.ErrNotFound), err == nil && (job.Removed || !c.isOperator() && job.Supplier != c.name()):
		fail(w, http.StatusNotFound, errors.New("there is no such import, or it was removed"))
		return id, job, false
	case err != nil:
		s.failLedger(w, err)
		return id, job, false
	}
	return id, job, true
}

// fhirStatus tells how far an import is, by the asynchronous pattern of FHIR: 202 as long as it is under way.
func (s *Server) fhirStatus(w http.ResponseWriter, r *http.Request) {
	id, job, ok := s.ownJob(w, r)
	if !ok {
		return
	}
	status, err := s.progress(r.Context(), id)
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		underWay(w, job.Asked, "queued: no fetcher has taken the request yet")
		return
	case err != nil:
		s.failLedger(w, err)
		return
	}
	s.explain(r.Context(), &status)
	switch {
	case status.State == ledger.StateCancelled:
		fail(w, http.StatusGone, errors.New("the import was cancelled; what was stored of it before stays"))
	case status.State == ledger.StateFailed && len(status.Files) == 0:
		fail(w, http.StatusUnprocessableEntity, errors.New("the import was refused: "+status.Reason))
	case status.State == ledger.StateFailed && nothingRead(status):
		replyFHIR(w, http.StatusInternalServerError, errorOutcome("exception", failures(status)...))
	case status.State.Ended():
		s.fhirComplete(w, r, status)
	default:
		underWay(w, job.Asked, progressText(status))
	}
}

// Limits of Retry-After in seconds: a tenth of the time that it has taken so far.
const minRetry, maxRetry = 1, 60

func underWay(w http.ResponseWriter, asked time.Time, progress string) {
	wait := int(time.Since(asked).Seconds() / 10)
	w.Header().Set("Retry-After", strconv.Itoa(min(max(wait, minRetry), maxRetry)))
	w.Header().Set("X-Progress", headerText(progress))
	w.WriteHeader(http.StatusAccepted)
}

// maxProgress is the greatest length of X-Progress in bytes (Bulk Data Access IG: less than 100).
const maxProgress = 99

// headerText is a text as a header may hold it.
func headerText(s string) string {
	s = strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' {
			return '?'
		}
		return c
	}, s)
	if len(s) > maxProgress {
		s = s[:maxProgress-3] + "..."
	}
	return s
}

func progressText(s ledger.Status) string {
	ended := 0
	for _, f := range s.Files {
		if f.State == "closed" || f.State == "failed" {
			ended++
		}
	}
	figures := fmt.Sprintf("%d of %d files read, %d of %d resources done", ended, len(s.Files), s.Resources.Ignored+s.Resources.Total(), s.Resources.Seen)
	switch {
	case s.State == ledger.StatePaused && s.Reason != "":
		return "paused: " + s.Reason
	case s.State == ledger.StatePaused:
		return "paused: " + figures
	case s.Waiting != nil:
		return "waiting: " + s.Waiting.For
	case s.Snapshot != nil && s.Snapshot.State == ledger.SnapshotPending && s.Snapshot.Reason != "":
		return "waiting: " + s.Snapshot.Reason
	case s.State == ledger.StateAccepted:
		return "accepted: no fetcher has begun yet"
	case len(s.Files) == 0:
		return "the list of files is being read"
	default:
		return figures
	}
}

// nothingRead reports whether no file could be read at all.
func nothingRead(s ledger.Status) bool {
	for _, f := range s.Files {
		if f.State == "closed" || f.Lines > 0 {
			return false
		}
	}
	return true
}

// maxFailures is how many failed files an answer tells of.
const maxFailures = 100

func failures(s ledger.Status) (texts []string) {
	for _, f := range s.Files[:min(len(s.Files), maxFailures)] {
		texts = append(texts, f.Name+": "+f.Reason)
	}
	return texts
}

// fhirRemove cancels an import if it is under way, and makes its status URL one that there is not.
func (s *Server) fhirRemove(w http.ResponseWriter, r *http.Request) {
	id, job, ok := s.ownJob(w, r)
	if !ok {
		return
	}
	if err := s.Ledger.RemoveJob(r.Context(), id, job.Supplier); err != nil {
		s.failLedger(w, err)
		return
	}
	s.keep(r.Context(), id)
	w.WriteHeader(http.StatusAccepted)
}
