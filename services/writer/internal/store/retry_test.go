package store

import (
	"testing"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// TestRetry: what is put through again has the version that it had, so it never beats anything
// newer. Each retry accounts for what it brings, also where another one brought it before; the
// same message of one changes nothing.
func TestRetry(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	original := f.accept(fhirmsg.ModeOverwrite)
	newer := f.accept(fhirmsg.ModeOverwrite)
	f.write(batchOf(newer, res{id: "a", content: "2"}))
	retry := func() fhirmsg.Batch {
		imp := f.accept(fhirmsg.ModeOverwrite)
		imp.Issued, imp.Accepted, imp.Retry = original.Issued, imp.Issued, original.ID
		b := batchOf(imp)
		for i, id := range []string{"a", "b"} {
			body := []byte(`{"resourceType":"Patient","id":"` + id + `","x":1}`)
			b.Body = fhirmsg.AppendRecord(b.Body, fhirmsg.Record{ID: []byte(id), Stamp: original.Issued, Line: int64(i + 1), Hash: fhirmsg.HashOf(body), Body: body})
		}
		b.Rows = 2
		b.Seal()
		return b
	}
	first, second, third, fourth := retry(), retry(), retry(), retry()
	tests := []struct {
		name    string
		batches []fhirmsg.Batch
		want    ledger.Counts
	}{
		{"the first", []fhirmsg.Batch{first}, ledger.Counts{Stale: 1, Inserted: 1}},
		{"another", []fhirmsg.Batch{second}, ledger.Counts{Stale: 1, Unchanged: 1}},
		{"the first again", []fhirmsg.Batch{first}, ledger.Counts{Stale: 1, Unchanged: 1}}, // of no consequence: it was stated
		{"two in one transaction", []fhirmsg.Batch{third, fourth}, ledger.Counts{Stale: 1, Unchanged: 3}},
	}
	for _, tt := range tests {
		if got := f.write(tt.batches...); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
	f.wantRows(map[string]string{"a": "2", "b": "1"})
	want := map[fhirmsg.ImportID]ledger.Counts{
		first.Import.ID: {Stale: 1, Inserted: 1}, second.Import.ID: {Stale: 1, Unchanged: 1}, fourth.Import.ID: {Unchanged: 2},
	}
	for id, want := range want {
		s, err := f.ledger.Status(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Resources.Counts; got != want {
			t.Errorf("account of a retry: %+v, want %+v", got, want)
		}
	}
}
