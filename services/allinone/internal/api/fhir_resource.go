package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stoker-fhir/stoker/pkg/fhirdef"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// maxWait is how long a request may wait for its import: less than a request with a key may take.
const maxWait = 30 * time.Second

// postResource makes one resource or Bundle an import. With Prefer: wait=SECONDS (RFC 7240, section 4.3) it
// is answered with what became of it, if that is known by then.
func (s *Server) postResource(w http.ResponseWriter, r *http.Request) {
	c := callerOf(r)
	name := c.name()
	if c.isOperator() {
		name = r.URL.Query().Get("supplier")
		if name == "" {
			name = fhirmsg.DefaultSupplier
		}
	}
	r.SetPathValue("name", name)
	req, limit, ok := s.uploadRequest(w, r)
	if !ok {
		return
	}
	req.Dataset = r.PathValue("dataset")
	if one := false; req.Snapshot == nil {
		req.Snapshot = &one // a policy by which deliveries are snapshots does not mean this
	}
	if !s.admitUpload(w, r, req) {
		return
	}
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != typeFHIR && media != "application/json" || r.Header.Get("Content-Encoding") != "" {
		fail(w, http.StatusUnsupportedMediaType, errors.New("header Content-Type: must be "+typeFHIR+", not encoded"))
		return
	}
	most := s.Inbox.Posted
	if limit > 0 {
		most = min(most, limit)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		fail(w, http.StatusRequestEntityTooLarge, fmt.Errorf("more than %d bytes: use /suppliers/%s/files for it", most, name))
		return
	}
	if err != nil {
		s.failUpload(w, name, 0, err)
		return
	}
	var resource struct {
		ResourceType string `json:"resourceType"`
	}
	if err := json.Unmarshal(body, &resource); err != nil || !slices.Contains(fhirdef.ResourceTypes(fhirmsg.FHIRVersionR4), resource.ResourceType) {
		fail(w, http.StatusBadRequest, errors.New("must be one resource or Bundle of FHIR R4 in JSON"))
		return
	}
	s.once(w, r, asked(r, body), func(w http.ResponseWriter, r *http.Request) {
		d, err := s.Inbox.Begin(name)
		if err != nil {
			s.failUpload(w, name, 0, err)
			return
		}
		defer s.remove(d)
		if err := d.Receive(resource.ResourceType+".json", bytes.NewReader(body), 0); err != nil {
			s.failUpload(w, name, 0, err)
			return
		}
		if id, ok := s.hand(w, r, d, req); ok {
			s.answerResource(w, r, id)
		}
	})
}

// answerResource waits for an import as long as was asked for.
func (s *Server) answerResource(w http.ResponseWriter, r *http.Request, id fhirmsg.ImportID) {
	wait := preferredWait(r)
	if wait == 0 {
		accepted(w, id)
		return
	}
	w.Header().Set("Preference-Applied", "wait="+strconv.Itoa(int(wait/time.Second)))
	ctx, cancel := context.WithTimeout(r.Context(), wait)
	defer cancel()
	status, err := s.await(ctx, id)
	if err != nil || !status.State.Ended() {
		accepted(w, id) // the import goes on, and its address tells the rest
		return
	}
	body, err := s.outcome(r.Context(), status)
	if err != nil {
		s.failLedger(w, err)
		return
	}
	w.Header().Set("Location", "/imports/"+id.String())
	w.Header().Set("Content-Type", typeFHIR)
	if taken := status.Resources.Total() - status.Resources.Rejected; status.State != ledger.StateComplete || rejected(status) > 0 && taken == 0 {
		w.WriteHeader(http.StatusUnprocessableEntity)
	}
	_, _ = w.Write(body) // the client went away; there is nobody to tell
}

// preferredWait is how long the client would wait; 0 is not at all.
func preferredWait(r *http.Request) time.Duration {
	for preference := range strings.SplitSeq(strings.Join(r.Header.Values("Prefer"), ","), ",") {
		if text, ok := strings.CutPrefix(strings.TrimSpace(preference), "wait="); ok {
			if seconds, err := strconv.Atoi(text); err == nil && seconds > 0 {
				return min(time.Duration(min(seconds, 3600))*time.Second, maxWait)
			}
		}
	}
	return 0
}

// awaitFirst and awaitMost are the pauses between two looks after an import that is waited for, at first and later.
const awaitFirst, awaitMost = 100 * time.Millisecond, time.Second

// await looks after an import until it has ended, or the context. What became of it is added up once.
func (s *Server) await(ctx context.Context, id fhirmsg.ImportID) (status ledger.Status, err error) {
	for pause := awaitFirst; ; pause = min(pause*3/2, awaitMost) {
		state, err := s.Ledger.State(ctx, id)
		switch {
		case err != nil && !errors.Is(err, ledger.ErrNotFound):
			return status, err
		case state.Ended():
			return s.progress(ctx, id)
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return status, ctx.Err()
		case <-timer.C:
		}
	}
}

// maxIssues is how many resources with issues an answer has; the import's address has all.
const maxIssues = 100

// outcome is an OperationOutcome of an import: first what was stored, then what was found.
func (s *Server) outcome(ctx context.Context, status ledger.Status) ([]byte, error) {
	severity, code, n := "information", "informational", status.Resources
	if status.State != ledger.StateComplete || rejected(status) > 0 {
		severity, code = "error", "processing"
	}
	first, err := json.Marshal(map[string]any{"severity": severity, "code": code, "diagnostics": fmt.Sprintf(
		"import %s is %s: %d inserted, %d updated, %d unchanged, %d stale, %d deleted, %d skipped, %d ignored, %d rejected",
		status.Import, status.State, n.Inserted, n.Updated, n.Unchanged, n.Stale, n.Deleted, n.Skipped, n.Ignored, rejected(status))})
	if err != nil {
		return nil, err
	}
	issues := []json.RawMessage{first}
	err = s.Ledger.Reported(ctx, status.Import, func(row ledger.RejectRow) error {
		b, err := row.OperationOutcome()
		if err != nil {
			return err
		}
		var one struct {
			Issue []json.RawMessage `json:"issue"`
		}
		if err := json.Unmarshal(b, &one); err != nil {
			return err
		}
		issues = append(issues, one.Issue...)
		if len(issues) > maxIssues {
			return errEnough
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, err
	}
	return json.Marshal(map[string]any{"resourceType": "OperationOutcome", "issue": issues})
}

// rejected is how many resources and lines could not be taken.
func rejected(s ledger.Status) int64 { return s.Resources.Rejected + s.Lines.Rejected }

var errEnough = errors.New("enough")
