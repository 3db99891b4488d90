package fetcher

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stoker-fhir/stoker/pkg/exporttest"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/source"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/split"
)

// TestHeedOfReports: that something failed is noticed in a report of any form, and whatever else the server reports.
func TestHeedOfReports(t *testing.T) {
	t.Parallel()
	report := func(severity, code string) string {
		return fmt.Sprintf(`{"resourceType":"OperationOutcome","issue":[{"severity":%q,"code":%q}]}`, severity, code)
	}
	var warnings, all strings.Builder
	for i := range 2 * maxHeedNotes {
		code := strings.Repeat("x", i/26) + string(rune('a'+i%26))
		warnings.WriteString(report("warning", code) + "\n")
		all.WriteString(report("error", code) + "\n")
	}
	for _, tt := range []struct {
		name  string
		piece split.Piece
		last  string // note
		notes int
	}{
		{"a line", split.Piece{Body: []byte(report("error", "not-found") + "\n")}, "error not-found", 1},
		{"over several lines", split.Piece{Body: []byte(strings.ReplaceAll(report("fatal", "x"), ",", ",\n")), Document: true}, "fatal x", 1},
		{"after many warnings", split.Piece{Body: []byte(warnings.String() + report("error", "not-found") + "\n")}, "error not-found", maxHeedNotes + 1},
		{"many errors", split.Piece{Body: []byte(all.String())}, "error", maxHeedNotes + 1},
		{"a fatal one after many errors", split.Piece{Body: []byte(all.String() + warnings.String() + report("fatal", "x") + "\n")}, "fatal", 2*maxHeedNotes + 2},
	} {
		h := newHeed(ledger.File{Kind: ledger.KindOutcome}, &source.Asked{})
		h.look(tt.piece)
		if n := len(h.notes); n != tt.notes || h.notes[n-1] != ledger.NoteOutcome+tt.last {
			t.Errorf("%s: %d notes: %q", tt.name, n, h.notes)
		}
	}
}

// TestReportIsNotedBeforeItIsStated: what a server reports is not lost with a fetcher that dies behind it.
func TestReportIsNotedBeforeItIsStated(t *testing.T) {
	t.Parallel()
	f, c, _ := exporting(t)
	reports := []string{exporttest.Outcome("not-found", "Patient/secret")}
	for range 4000 {
		reports = append(reports, `{"resourceType":"OperationOutcome","issue":[{"severity":"information","code":"informational"}]}`)
	}
	s := exporttest.New(t, exporttest.Options{Time: april, Outcomes: reports})
	req := exportRequest(t, s.URL+"/$export")
	req.ChunkSize = fhirmsg.MinChunkSize
	f.again().step(t, c, req)
	s.Stall(0)
	ctx, die := context.WithCancel(t.Context())
	died := make(chan error)
	go func() {
		g := f.again()
		for {
			err := g.fetch(ctx, req)
			if ctx.Err() != nil || err == nil {
				died <- err
				return
			}
			_ = c.pass(ctx, claimFor)
		}
	}()
	f.waitForChunks(t, 3)
	if status, account := f.account(t, req.ID, s); len(status.Notes) == 0 {
		t.Errorf("chunks are published, and what they report is not noted: %s", account)
	}
	die()
	if err := <-died; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	s.Release()
	f.again().bring(t, c, req)
	_, account := f.account(t, req.ID, s)
	want := "problems.ndjson closed 4001\nnote: the server reports of its own work: error not-found\nnote: the server reports of its own work: information informational\n"
	if diff := cmp.Diff(want, account); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}
