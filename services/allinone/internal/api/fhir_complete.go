package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// importManifest tells what became of an import: of the ping and pull proposal transactionTime,
// requiresAccessToken and outcome, and where the request listed the files, output and error of the manifest
// proposal, one to one with them.
type importManifest struct {
	TransactionTime     string        `json:"transactionTime"`
	RequiresAccessToken bool          `json:"requiresAccessToken"`
	Outcome             []outcomeFile `json:"outcome"`
	Output              []inputResult `json:"output,omitempty"`
	Error               []inputResult `json:"error,omitempty"`

	Extension map[string]any `json:"extension,omitempty"` // what Stoker tells besides, by its name
}

// outcomeFile is a file of OperationOutcomes.
type outcomeFile struct {
	URL   string `json:"url"`
	Count int64  `json:"count"`
}

// inputResult is what became of a file that the request listed.
type inputResult struct {
	Type     string `json:"type,omitempty"`
	InputURL string `json:"inputUrl"`
	Count    int64  `json:"count"`
	URL      string `json:"url,omitempty"` // of OperationOutcomes
}

// The files of OperationOutcomes that an import may have.
const (
	failedFiles   = "files.ndjson"    // files that could not be read, or not to their end
	rejectedFile  = "rejected.ndjson" // lines and resources that were not stored
	toleratedFile = "stored.ndjson"   // resources that were stored all the same
)

// reportsFor is for how long reports are there at least, where no policy limits it.
const reportsFor = 24 * time.Hour

func (s *Server) fhirComplete(w http.ResponseWriter, r *http.Request, status ledger.Status) {
	m, err := s.importManifest(r, status)
	if err != nil {
		s.failLedger(w, err)
		return
	}
	expires, err := s.reportsUntil(r.Context(), status)
	if err != nil {
		s.failLedger(w, err)
		return
	}
	w.Header().Set("Expires", expires.UTC().Format(http.TimeFormat))
	reply(w, http.StatusOK, m)
}

// reportsUntil is until when the reports of an import are there.
func (s *Server) reportsUntil(ctx context.Context, status ledger.Status) (time.Time, error) {
	policy, err := s.Ledger.Policy(ctx, status.Import)
	if err != nil || policy == nil || policy.KeepReportsDays == 0 {
		return time.Now().Add(reportsFor), err
	}
	ended := status.Issued.Add(time.Duration(status.Seconds * float64(time.Second)))
	return ended.Add(policy.KeepReports()), nil
}

func (s *Server) importManifest(r *http.Request, status ledger.Status) (m importManifest, err error) {
	ctx := r.Context()
	job, err := s.Ledger.Job(ctx, status.Import)
	if err != nil {
		return m, err
	}
	var rejected, tolerated int64
	if err := s.addUp(ctx, func(ctx context.Context) (err error) {
		rejected, tolerated, err = s.Ledger.CountReported(ctx, status.Import)
		return err
	}); err != nil {
		return m, err
	}
	var failed int64
	for _, f := range status.Files {
		if f.State == "failed" {
			failed++
		}
	}
	m = importManifest{
		TransactionTime:     job.Asked.UTC().Format(time.RFC3339Nano),
		RequiresAccessToken: r.Header.Get("Authorization") != "",
		Outcome:             []outcomeFile{},
	}
	place := s.absolute(r, outcomePath+status.Import.String()+"/")
	for _, f := range []outcomeFile{{failedFiles, failed}, {rejectedFile, rejected}, {toleratedFile, tolerated}} {
		if f.Count > 0 {
			m.Outcome = append(m.Outcome, outcomeFile{place + f.URL, f.Count})
		}
	}
	if status.Snapshot != nil {
		m.Extension = map[string]any{"snapshot": status.Snapshot}
	}
	return m, s.addInputs(ctx, &m, status, place+failedFiles)
}

// addInputs tells of each file that the request listed what became of it. Such a file has the number that
// it has in the request.
func (s *Server) addInputs(ctx context.Context, m *importManifest, status ledger.Status, failures string) error {
	req, err := s.Ledger.Asked(ctx, status.Import)
	if err != nil || len(req.Sources) == 0 || req.Sources[0].URL == "" {
		return err
	}
	counts, err := s.fileCounts(ctx, status.Import)
	if err != nil {
		return err
	}
	for i, source := range req.Sources {
		of := counts[int32(i)]
		m.Output = append(m.Output, inputResult{Type: source.Type, InputURL: source.URL, Count: of.Stored + of.Deleted})
		if i < len(status.Files) && status.Files[i].State == "failed" {
			m.Error = append(m.Error, inputResult{Type: "OperationOutcome", InputURL: source.URL, Count: 1, URL: failures})
		}
	}
	return nil
}

// fhirOutcome streams a file of OperationOutcomes.
func (s *Server) fhirOutcome(w http.ResponseWriter, r *http.Request) {
	id, _, ok := s.ownJob(w, r)
	if !ok {
		return
	}
	read := map[string]rowReader{
		rejectedFile: s.Ledger.Rejects, toleratedFile: s.Ledger.Tolerated,
	}[r.PathValue("file")]
	status, err := s.progress(r.Context(), id)
	switch {
	case errors.Is(err, ledger.ErrNotFound), read == nil && r.PathValue("file") != failedFiles:
		fail(w, http.StatusNotFound, errors.New("there is no such file of outcomes"))
	case err != nil:
		s.failLedger(w, err)
	case read == nil:
		s.send(w, func(line func([]byte) error) error { return eachFailure(status, line) })
	case s.swept(w, r, id):
		s.sendRows(w, r, id, read, ledger.RejectRow.OperationOutcome)
	}
}

func eachFailure(status ledger.Status, line func([]byte) error) error {
	for _, f := range status.Files {
		if f.State != "failed" {
			continue
		}
		b, err := f.OperationOutcome(status.Import)
		if err != nil {
			return err
		}
		if err := line(b); err != nil {
			return err
		}
	}
	return nil
}
