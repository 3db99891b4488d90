package store

import (
	"testing"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// TestPoisonBesideACancelledImport: what is refused is found also where something newer of its key is in
// the same transaction that is not to be stored.
func TestPoisonBesideACancelledImport(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	imp, cancelled := f.accept(fhirmsg.ModeOverwrite), f.accept(fhirmsg.ModeOverwrite)
	if err := f.ledger.Cancel(t.Context(), cancelled.ID); err != nil {
		t.Fatal(err)
	}
	got := f.write(batchOf(imp, res{id: "a", content: `"\u0000"`}, res{id: "b", content: "1"}), batchOf(cancelled, res{id: "a", content: "1"}))
	wantCounts(t, "refused, stored and cancelled", got, ledger.Counts{Inserted: 1, Rejected: 1, Cancelled: 1})
}
