package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// The files of OperationOutcomes about a manifest: one of these, "-", a number from 1, ".ndjson".
const (
	filesKind    = "files"    // of the manifest, and of each of its files
	rejectedKind = "rejected" // lines and resources that were not stored
	storedKind   = "stored"   // resources that were stored all the same
)

// submissionOutcome streams a file of OperationOutcomes about a manifest.
func (s *Server) submissionOutcome(w http.ResponseWriter, r *http.Request) {
	id, _, ok := s.ownSubmission(w, r)
	if !ok {
		return
	}
	kind, part, ok := outcomeName(r.PathValue("file"))
	manifests, err := s.Ledger.Manifests(r.Context(), id)
	if err != nil {
		s.failLedger(w, err)
		return
	}
	i := slices.IndexFunc(manifests, func(m ledger.Submitted) bool { return m.Import.String() == r.PathValue("import") })
	if !ok || i < 0 || manifests[i].IsGone() && kind != filesKind {
		fail(w, http.StatusNotFound, errors.New("there is no such file of outcomes"))
		return
	}
	m := manifests[i]
	if kind == filesKind {
		s.sendFileReports(w, r, m, part)
		return
	}
	if !s.swept(w, r, m.Import) {
		return
	}
	read := func(ctx context.Context, id fhirmsg.ImportID, each func(ledger.RejectRow) error) error {
		return s.Ledger.EachOfPart(ctx, id, kind == storedKind, part, s.reportSize(), each)
	}
	s.sendRows(w, r, m.Import, read, ledger.RejectRow.OperationOutcome)
}

func (s *Server) sendFileReports(w http.ResponseWriter, r *http.Request, m ledger.Submitted, part int64) {
	reports, _, err := s.fileReports(r.Context(), m)
	if err != nil {
		s.failLedger(w, err)
		return
	}
	first := part * s.reportSize()
	if first >= int64(len(reports)) {
		fail(w, http.StatusNotFound, errors.New("there is no such file of outcomes"))
		return
	}
	s.send(w, func(line func([]byte) error) error {
		for _, report := range reports[first:min(first+s.reportSize(), int64(len(reports)))] {
			if err := line(report.Outcome); err != nil {
				return err
			}
		}
		return nil
	})
}

// maxPart keeps what is asked for from being more than can be counted.
const maxPart = 1 << 20

// outcomeName reads the name of a file of outcomes. The part is from 0.
func outcomeName(name string) (kind string, part int64, ok bool) {
	name, ok = strings.CutSuffix(name, ".ndjson")
	kind, number, found := strings.Cut(name, "-")
	part, err := strconv.ParseInt(number, 10, 64)
	return kind, part - 1, ok && found && err == nil && part > 0 && part <= maxPart && slices.Contains([]string{filesKind, rejectedKind, storedKind}, kind)
}
