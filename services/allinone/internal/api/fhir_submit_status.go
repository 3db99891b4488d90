package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/services/allinone/internal/kickoff"
)

// Where submissions are watched, below [fhirBase].
const (
	submitStatusPath  = fhirBase + "/$bulk-submit/status/"
	submitOutcomePath = fhirBase + "/$bulk-submit/outcome/"
)

// bulkSubmitStatus answers where a submission is to be watched.
func (s *Server) bulkSubmitStatus(w http.ResponseWriter, r *http.Request) {
	body, ok := readSubmission(w, r)
	if !ok {
		return
	}
	who, id, err := kickoff.ReadSubmitStatus(r.Header.Get("Content-Type"), body)
	if err != nil {
		failKickoff(w, err)
		return
	}
	submission := keyOf(submitterOf(r), who, id).ID()
	sub, err := s.Ledger.Submission(r.Context(), submission)
	if dataset := r.PathValue("dataset"); err == nil && dataset != "" && dataset != sub.Dataset {
		err = ledger.ErrNoSubmission
	}
	if err == nil {
		err = s.Ledger.Watch(r.Context(), submission, true)
	}
	if err != nil {
		s.failSubmission(w, err)
		return
	}
	w.Header().Set("Content-Location", s.absolute(r, submitStatusPath+submission.String()))
	w.WriteHeader(http.StatusAccepted)
}

// ownSubmission reads the id of the path, of a submission that is the caller's and is watched. ok is false when an answer was given.
func (s *Server) ownSubmission(w http.ResponseWriter, r *http.Request) (id fhirmsg.ImportID, sub ledger.Submission, ok bool) {
	if id, ok = importID(w, r); !ok {
		return id, sub, false
	}
	sub, err := s.Ledger.Submission(r.Context(), id)
	c := callerOf(r)
	switch {
	case errors.Is(err, ledger.ErrNoSubmission), err == nil && (!sub.Watched || !c.isOperator() && sub.Supplier != c.name()):
		fail(w, http.StatusNotFound, errors.New("there is no such status of a submission, or it was removed; ask $bulk-submit-status for it"))
		return id, sub, false
	case err != nil:
		s.failLedger(w, err)
		return id, sub, false
	}
	return id, sub, true
}

// submissionStatus tells how far a submission is: 202 until its sender has completed or stopped it and all that follows from it is done.
func (s *Server) submissionStatus(w http.ResponseWriter, r *http.Request) {
	id, sub, ok := s.ownSubmission(w, r)
	if !ok {
		return
	}
	manifests, err := s.Ledger.Manifests(r.Context(), id)
	if err != nil {
		s.failLedger(w, err)
		return
	}
	ended := sub.State != ledger.SubmissionOpen
	for _, m := range manifests {
		ended = ended && m.Settled()
	}
	if !ended {
		underWay(w, sub.Begun, submissionProgress(sub, manifests))
		return
	}
	reported, err := s.reported(r.Context(), manifests)
	switch {
	case err != nil:
		s.failLedger(w, err)
	case !reported:
		underWay(w, sub.Begun, "all is stored; the last reports are on their way")
	default:
		s.replySubmission(w, r, sub, manifests)
	}
}

// reported reports whether what was found in manifests that were imported is all in the ledger.
func (s *Server) reported(ctx context.Context, manifests []ledger.Submitted) (bool, error) {
	for _, m := range manifests {
		if m.Withdrawn {
			continue
		}
		var ok bool
		if err := s.addUp(ctx, func(ctx context.Context) (err error) {
			ok, err = s.Ledger.IsReported(ctx, m.Import)
			return err
		}); err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

// submissionProgress says how far a submission is, and what is waited for.
func submissionProgress(sub ledger.Submission, manifests []ledger.Submitted) string {
	var done, files, read, undoing int
	for i, m := range manifests {
		switch {
		case m.Withdrawn && !m.Undone:
			undoing++
		case m.Settled():
			done++
		case m.State == ledger.StatePaused:
			return fmt.Sprintf("manifest %d of %d is paused: %s", i+1, len(manifests), m.Reason)
		}
		if !m.Withdrawn {
			files, read = files+m.Files, read+m.Read
		}
	}
	text := fmt.Sprintf("%d of %d manifests done, %d of %d files read", done, len(manifests), read, files)
	if undoing > 0 {
		text += fmt.Sprintf(", %d being undone", undoing)
	}
	if sub.State == ledger.SubmissionOpen {
		text += "; not completed by its sender"
	}
	return text
}

// removeSubmissionStatus takes the status URL away, until it is asked for again. The submission goes on: to undo it, it is to be stopped.
func (s *Server) removeSubmissionStatus(w http.ResponseWriter, r *http.Request) {
	id, _, ok := s.ownSubmission(w, r)
	if !ok {
		return
	}
	if err := s.Ledger.Watch(r.Context(), id, false); err != nil {
		s.failSubmission(w, err)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}
