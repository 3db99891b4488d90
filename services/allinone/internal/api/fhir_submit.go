package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/services/allinone/internal/kickoff"
)

// Limits of $bulk-submit.
const (
	maxSubmissions  = 16    // of a supplier that are neither completed nor stopped
	maxManifests    = 1_000 // of a submission
	retrySubmission = 60    // after how many seconds another submission may be begun
)

// bulkSubmit takes a request of $bulk-submit (Bulk Data Access IG 4.0.0-ballot, submit.md). What it asks for is in the ledger
// when it is answered, and is done from then on, whatever becomes of this process.
func (s *Server) bulkSubmit(w http.ResponseWriter, r *http.Request) {
	body, ok := readSubmission(w, r)
	if !ok {
		return
	}
	asked, err := kickoff.ReadSubmit(r.Header.Get("Content-Type"), body)
	if err != nil {
		failKickoff(w, err)
		return
	}
	submit, ok := s.submit(w, r, asked)
	if !ok {
		return
	}
	sub, known, err := s.Ledger.Submit(r.Context(), submit)
	if err != nil {
		s.failSubmission(w, err)
		return
	}
	ctx, cancel := context.WithTimeout(uncancelled(r), keepFor)
	defer cancel()
	if err := s.Submissions.Queue(ctx, sub.ID()); err != nil {
		s.Log.Warn().Err(err).Msg("a manifest that was submitted is not in the queue yet; it is tried again")
	}
	s.Submissions.Wake()
	replyFHIR(w, http.StatusOK, submitted(asked, submit, sub, known))
}

// readSubmission reads the body of a request about a submission. Ok is false when an answer was given.
func readSubmission(w http.ResponseWriter, r *http.Request) (body []byte, ok bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, kickoff.MaxSubmit))
	if err != nil {
		failBody(w, err)
	}
	return body, err == nil
}

// failKickoff answers with what is wrong with a request.
func failKickoff(w http.ResponseWriter, err error) {
	switch {
	case errors.Is(err, kickoff.ErrMediaType):
		fail(w, http.StatusUnsupportedMediaType, err)
	case errors.Is(err, kickoff.ErrEncrypted):
		replyFHIR(w, http.StatusUnprocessableEntity, errorOutcome("not-supported", err.Error()))
	default:
		fail(w, http.StatusBadRequest, err)
	}
}

// submitterOf is the supplier that a request about a submission is of: who asks, or whom an operator names by ?supplier=.
func submitterOf(r *http.Request) string {
	c := callerOf(r)
	if c.isOperator() {
		return cmp.Or(r.URL.Query().Get("supplier"), fhirmsg.DefaultSupplier)
	}
	return c.name()
}

func keyOf(supplier string, who kickoff.Submitter, id string) ledger.SubmissionKey {
	return ledger.SubmissionKey{Supplier: supplier, System: who.System, Submitter: who.Value, Name: id}
}

// submit is what a request asks of the ledger, provided that the supplier's policy allows it. Ok is false when an answer was given.
func (s *Server) submit(w http.ResponseWriter, r *http.Request, asked kickoff.Submission) (_ ledger.Submit, ok bool) {
	c, name := callerOf(r), submitterOf(r)
	req := fhirmsg.ImportRequest{
		ID: fhirmsg.ImportID{1}, Supplier: name, Dataset: r.PathValue("dataset"), Base: asked.Base, // the id is that of the manifest in the end
		Mode: asked.Mode, Validation: asked.Validation, MaxRejects: asked.MaxRejects,
		Snapshot: new(bool), // not one, whatever the policy says: a manifest lacks what the others of its submission have
		Sources:  []fhirmsg.Source{{Manifest: cmp.Or(asked.Manifest, asked.Replaces, "https://none.invalid/"), Headers: asked.Headers, OAuth: asked.OAuth}},
	}
	if err := req.CheckOpen(); err != nil {
		fail(w, http.StatusBadRequest, err)
		return ledger.Submit{}, false
	}
	declared, ok := s.fit(w, r, req)
	if !ok {
		return ledger.Submit{}, false
	}
	req.Dataset = cmp.Or(req.Dataset, fhirmsg.DefaultDataset)
	if declared == nil || declared.FetchOAuth == nil {
		req.Sources[0].OAuth = nil // there is nothing to get a token by
	}
	if declared != nil {
		req.Dataset = declared.DatasetOf(name)
		if declared.Base != "" {
			req.Base = declared.Base
		}
		if err := c.allowMetadata(asked.OAuth); err != nil {
			fail(w, http.StatusUnprocessableEntity, err)
			return ledger.Submit{}, false
		}
		if !declared.AcceptsSubmitter(asked.Submitter.System, asked.Submitter.Value) {
			fail(w, http.StatusForbidden, fmt.Errorf("submitter: is none that was agreed on with supplier %s", name))
			return ledger.Submit{}, false
		}
	}
	if asked.Manifest != "" {
		if err := c.allowURLs(req.Sources); err != nil {
			fail(w, http.StatusUnprocessableEntity, err)
			return ledger.Submit{}, false
		}
		if !s.mayKeepHistory(w, r, name, req.Dataset) || !s.hasRoom(w, r) {
			return ledger.Submit{}, false
		}
	}
	return ledger.Submit{
		SubmissionKey: keyOf(name, asked.Submitter, asked.ID), Dataset: req.Dataset, Draft: asked.Draft, State: ledger.SubmissionState(asked.Status),
		Manifest: asked.Manifest, Import: req, Replaces: asked.Replaces, MaxOpen: maxSubmissions, MaxManifests: maxManifests,
	}, true
}

// mayKeepHistory reports whether a dataset keeps every version, without which nothing could be undone, or may begin to: in
// one that others deliver into too, its operator decides on that, since it costs space. Ok is false when an answer was given.
func (s *Server) mayKeepHistory(w http.ResponseWriter, r *http.Request, supplier, dataset string) (ok bool) {
	since, err := s.Ledger.HistorySince(r.Context(), dataset)
	if err == nil && (!since.IsZero() || callerOf(r).isOperator()) {
		return true
	}
	shared := false
	if err == nil {
		shared, err = s.Ledger.IsShared(r.Context(), dataset, supplier)
	}
	switch {
	case err != nil:
		s.failLedger(w, err)
		return false
	case shared:
		fail(w, http.StatusUnprocessableEntity, fmt.Errorf("what is submitted must be possible to undo, and dataset %s, which other suppliers deliver into too, keeps no history; "+
			"its operator can turn it on: stoker dataset history %s on", dataset, dataset))
		return false
	}
	return true
}

// hasRoom reports whether the caller may have one more import; see [ledger.MaxOpenImports]. Those that no fetcher has accepted yet are
// only in the queue. Ok is false when an answer was given.
func (s *Server) hasRoom(w http.ResponseWriter, r *http.Request) (ok bool) {
	c := callerOf(r)
	if c.isOperator() {
		return true
	}
	n, err := s.Ledger.UnendedImports(r.Context(), c.name())
	if err != nil {
		s.failLedger(w, err)
		return false
	}
	if n >= ledger.MaxOpenImports {
		tooMany(w, retrySubmission, fmt.Sprintf("%d imports of supplier %s have not ended, paused ones included, which is as many as may wait", n, c.name()))
		return false
	}
	ctx, cancel := context.WithTimeout(r.Context(), lookFor)
	defer cancel()
	queued, filling, err := s.Bus.Queued(ctx, fhirmsg.StreamOperator, fhirmsg.FetchSubject(c.name()))
	// Of a queue that cannot be asked, whoever wants it is told when it has been waited for.
	if err == nil && (queued >= ledger.MaxOpenImports || filling && queued > 0) {
		tooMany(w, retryImports, fmt.Sprintf("%d requests of supplier %s are in the queue, which is as many as may be at the moment", queued, c.name()))
		return false
	}
	return true
}

// lookFor is how long a request waits to learn how full the queue is.
const lookFor = time.Second

// failSubmission answers with what an error about a submission means.
func (s *Server) failSubmission(w http.ResponseWriter, err error) {
	switch {
	case errors.Is(err, ledger.ErrNoSubmission), errors.Is(err, ledger.ErrNoManifest):
		fail(w, http.StatusNotFound, err)
	case errors.Is(err, ledger.ErrSubmissionClosed), errors.Is(err, ledger.ErrReplaced), errors.Is(err, ledger.ErrOtherDataset):
		fail(w, http.StatusConflict, err)
	case errors.Is(err, ledger.ErrNoHistory), errors.Is(err, ledger.ErrManyManifests):
		fail(w, http.StatusUnprocessableEntity, err)
	case errors.Is(err, ledger.ErrManySubmissions):
		tooMany(w, retrySubmission, err.Error()+"; complete or stop one of them")
	default:
		s.failLedger(w, err)
	}
}

// submitted tells what was done, and what was given and is not used.
func submitted(asked kickoff.Submission, submit ledger.Submit, sub ledger.Submission, known bool) operationOutcome {
	o := operationOutcome{ResourceType: "OperationOutcome"}
	tell := func(severity, code, text string, args ...any) {
		o.Issue = append(o.Issue, outcomeIssue{Severity: severity, Code: code, Diagnostics: fmt.Sprintf(text, args...)})
	}
	if asked.Manifest != "" {
		text := "the manifest is import %s"
		if known {
			text = "the manifest was submitted before, and is import %s"
		}
		tell("information", "informational", text, sub.ImportOf(asked.Manifest))
	}
	if asked.Replaces != "" {
		tell("information", "informational", "what import %s brought is being undone", sub.ImportOf(asked.Replaces))
	}
	tell("information", "informational", "the submission is %s", sub.State)
	if len(asked.OAuth) > len(submit.Import.Sources[0].OAuth) {
		tell("warning", "not-supported", "oauthMetadataUrl is not used: the operator has set nothing up by which a token is had for the supplier (fetch_oauth), so the manifest and its files are requested without")
	}
	for _, name := range asked.Ignored {
		tell("information", "not-supported", "%s is not used", name)
	}
	return o
}
