package api

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// Sizes of what tells of a submission.
const (
	manifestsOfPage = 50     // manifests that a page of the status manifest tells of
	reportsOfFile   = 10_000 // OperationOutcomes of a file
)

// reportSize is how many OperationOutcomes a file has at most; tests have fewer.
func (s *Server) reportSize() int64 {
	if s.reports > 0 {
		return s.reports
	}
	return reportsOfFile
}

// submissionManifest is a status manifest (Bulk Data Access IG 4.0.0-ballot, BulkSubmitStatusManifest). Error and Extension are for
// senders that use the words of the draft: there, error is what the ballot calls outcome.
type submissionManifest struct {
	SubmissionID        string             `json:"submissionId"`
	ManifestType        string             `json:"manifestType"`
	TransactionTime     string             `json:"transactionTime"`
	RequiresAccessToken bool               `json:"requiresAccessToken"`
	Output              []struct{}         `json:"output"` // no resources are given back
	Outcome             []submissionReport `json:"outcome"`
	Link                []manifestLink     `json:"link,omitempty"`

	Error     []submissionReport `json:"error,omitzero"`
	Extension map[string]any     `json:"extension,omitempty"`
}

// manifestType is the profile of status manifests.
const manifestType = "http://hl7.org/fhir/uv/bulkdata/StructureDefinition/BulkSubmitStatusManifest"

// submissionReport is a file of OperationOutcomes about one manifest.
type submissionReport struct {
	URL           string          `json:"url"`
	ManifestURL   string          `json:"manifestUrl"`
	Count         int64           `json:"count"`
	CountSeverity []severityCount `json:"countSeverity"`

	Type      string         `json:"type,omitempty"`      // of the draft, as the next
	Extension map[string]any `json:"extension,omitempty"` // manifestUrl and countSeverity
}

type severityCount struct {
	Code  string `json:"code"`
	Count int64  `json:"count"`
}

type manifestLink struct {
	Relation string `json:"relation"`
	URL      string `json:"url"`
}

// replySubmission answers with a page of the status manifest.
func (s *Server) replySubmission(w http.ResponseWriter, r *http.Request, sub ledger.Submission, manifests []ledger.Submitted) {
	page, pages := 1, max(1, (len(manifests)+manifestsOfPage-1)/manifestsOfPage)
	if text := r.URL.Query().Get("page"); text != "" {
		var err error
		if page, err = strconv.Atoi(text); err != nil || page < 1 || page > pages {
			fail(w, http.StatusNotFound, errors.New("there is no such page"))
			return
		}
	}
	m := submissionManifest{
		SubmissionID: sub.Name, ManifestType: manifestType, TransactionTime: sub.Begun.UTC().Format(time.RFC3339Nano),
		RequiresAccessToken: r.Header.Get("Authorization") != "", Output: []struct{}{}, Outcome: []submissionReport{},
	}
	expires := time.Now().Add(reportsFor)
	place := s.absolute(r, submitOutcomePath+sub.ID().String()+"/")
	first := (page - 1) * manifestsOfPage
	for _, manifest := range manifests[first:min(first+manifestsOfPage, len(manifests))] {
		reports, until, err := s.submissionReports(r.Context(), manifest, place)
		if err != nil {
			s.failLedger(w, err)
			return
		}
		m.Outcome = append(m.Outcome, reports...)
		if !until.IsZero() && until.Before(expires) {
			expires = until
		}
	}
	if page < pages {
		m.Link = []manifestLink{{"next", s.absolute(r, submitStatusPath+sub.ID().String()) + "?page=" + strconv.Itoa(page+1)}}
	}
	if sub.Draft {
		m.Extension = map[string]any{"submissionId": sub.Name}
		m.Error = []submissionReport{}
		for _, report := range m.Outcome {
			m.Error = append(m.Error, report.asDrafted())
		}
	}
	w.Header().Set("Expires", expires.UTC().Format(http.TimeFormat))
	reply(w, http.StatusOK, m)
}

// asDrafted adds what the draft calls otherwise.
func (f submissionReport) asDrafted() submissionReport {
	counts := map[string]int64{"success": 0, "error": 0}
	for _, c := range f.CountSeverity {
		switch c.Code {
		case "information":
			counts["success"] += c.Count
		case "fatal", "error":
			counts["error"] += c.Count
		default:
			counts[c.Code] += c.Count
		}
	}
	f.Type = "OperationOutcome"
	f.Extension = map[string]any{"manifestUrl": f.ManifestURL, "countSeverity": counts}
	return f
}

// submissionReports lists the files of OperationOutcomes about a manifest: of itself and its input files, of what was not stored, and
// of what was stored all the same. place is where they are; until is how long, zero where nothing limits that.
func (s *Server) submissionReports(ctx context.Context, m ledger.Submitted, place string) (list []submissionReport, until time.Time, err error) {
	name := func(kind string, part int64) string {
		return fmt.Sprintf("%s%s/%s-%d.ndjson", place, m.Import, kind, part+1)
	}
	ofFiles, status, err := s.fileReports(ctx, m)
	if err != nil {
		return nil, until, err
	}
	part := int64(0)
	for reports := range slices.Chunk(ofFiles, int(s.reportSize())) {
		severities := map[string]int64{}
		for _, r := range reports {
			severities[r.Severity]++
		}
		list = append(list, submissionReport{URL: name(filesKind, part), ManifestURL: m.Manifest, Count: int64(len(reports)), CountSeverity: bySeverity(severities)})
		part++
	}
	if status == nil || m.IsGone() {
		return list, until, nil
	}
	var parts []ledger.ReportPart
	if err := s.addUp(ctx, func(ctx context.Context) (err error) {
		parts, err = s.Ledger.ReportParts(ctx, m.Import, s.reportSize())
		return err
	}); err != nil {
		return nil, until, err
	}
	for _, p := range parts {
		kind := rejectedKind
		if p.Stored {
			kind = storedKind
		}
		list = append(list, submissionReport{URL: name(kind, p.Index), ManifestURL: m.Manifest, Count: p.Rows, CountSeverity: bySeverity(p.Severities)})
	}
	until, err = s.reportsUntil(ctx, *status)
	return list, until, err
}

// severities in the order in which they are told.
var severities = []string{"fatal", "error", "warning", "information"}

func bySeverity(counts map[string]int64) []severityCount {
	list := []severityCount{}
	for _, code := range slices.SortedFunc(maps.Keys(counts), func(a, b string) int { return slices.Index(severities, a) - slices.Index(severities, b) }) {
		list = append(list, severityCount{code, counts[code]})
	}
	return list
}

// fileReports tells of a manifest as a whole, and then of each of its files. The status is its import's, nil where it has none.
func (s *Server) fileReports(ctx context.Context, m ledger.Submitted) (list []ledger.Report, status *ledger.Status, err error) {
	found, err := s.progress(ctx, m.Import)
	switch {
	case err == nil:
		status = &found
	case !errors.Is(err, ledger.ErrNotFound):
		return nil, nil, err
	}
	first, err := m.Report(status)
	if err != nil {
		return nil, nil, err
	}
	list = []ledger.Report{first}
	if status == nil || m.IsGone() {
		return list, status, nil
	}
	counts, err := s.fileCounts(ctx, m.Import)
	if err != nil {
		return nil, nil, err
	}
	for i, f := range status.Files {
		report, err := f.Report(m.Import, counts[int32(i)])
		if err != nil {
			return nil, nil, err
		}
		list = append(list, report)
	}
	return list, status, nil
}
