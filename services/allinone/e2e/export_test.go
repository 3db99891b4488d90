package e2e

import (
	"testing"
	"time"

	"github.com/stoker-fhir/stoker/pkg/exporttest"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// TestExportFetcherKilled: kill -9 of the fetcher while it polls an export, and again in the middle of a file. The same job
// is gone on with, and nothing is there twice or missing.
func TestExportFetcherKilled(t *testing.T) {
	t.Parallel()
	updated := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	const each, perFile = 4000, 2000
	s := exporttest.New(t, exporttest.Options{
		Resources: append(exporttest.Patients(each, updated), exporttest.Of("Observation", each, updated)...), PerFile: perFile,
		Deleted: []string{"Patient/not-there"}, Time: updated.Add(time.Hour), Hold: true,
	})
	p := newPipeline(t, true)
	for _, name := range []string{"parser", "writer"} {
		p.start(name)
	}
	fetcher := p.start("fetcher")
	e := &fhirmsg.Export{URL: s.URL + "/$export"}
	id := p.request(fhirmsg.ImportRequest{Mode: fhirmsg.ModeSync, ChunkSize: 8 << 10, Sources: []fhirmsg.Source{{Export: e}}})
	polled := func(more int) {
		t.Helper()
		until := len(s.Asked(exporttest.Status)) + more
		waitFor(t, "the export to be polled", func() bool { return len(s.Asked(exporttest.Status)) >= until })
	}
	polled(2)
	fetcher.kill()
	fetcher = p.start("fetcher")
	polled(2)
	s.Stall()
	s.Set(func(o *exporttest.Options) { o.Hold = false })
	waitFor(t, "the import to be in the middle of a file", func() bool {
		status, err := p.ledger.Status(t.Context(), id)
		return err == nil && status.Resources.Inserted > perFile/4
	})
	fetcher.kill()
	s.Release()
	p.start("fetcher")
	status := p.wait(id)
	wantBalanced(t, "after the kills", status)
	if r := status.Resources; status.State != ledger.StateComplete || r.Inserted != 2*each || r.Deleted != 1 || r.Seen != 2*each+1 {
		t.Errorf("%s: %s, %+v", status.State, status.Reason, r)
	}
	for _, f := range status.Files {
		if f.Differs {
			t.Errorf("%s has %d lines, announced are %d", f.Name, f.Lines, *f.Announced)
		}
	}
	if at := status.TransactionTime; at == nil || !at.Equal(updated.Add(time.Hour)) {
		t.Errorf("transaction time %v", at)
	}
	waitFor(t, "the export to be removed", func() bool { _, there := s.Jobs(); return there == 0 })
	if begun, _ := s.Jobs(); begun != 1 {
		t.Errorf("%d exports were begun", begun)
	}
}
