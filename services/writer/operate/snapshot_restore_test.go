package operate

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/journal"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/pgtest"
	"github.com/stoker-fhir/stoker/services/writer"
)

// TestSnapshotIsRestored: after a restore of the database from before everything, what a snapshot deleted is deleted again,
// with the same account.
func TestSnapshotIsRestored(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	stop := f.startWriter()
	yes := true
	imports := []fhirmsg.ImportID{
		f.deliver(fhirmsg.ImportRequest{}, "a", "b", "c").ID,
		f.deliver(fhirmsg.ImportRequest{Snapshot: &yes, MaxDeletes: "off"}, "a", "d").ID,
		f.deliver(fhirmsg.ImportRequest{Snapshot: &yes}, "a").ID,
	}
	var before []ledger.Status
	for _, id := range imports {
		before = append(before, f.waitImport(id))
	}
	f.wantSnapshot("applied", before[1], ledger.SnapshotApplied, 2)
	f.wantSnapshot("refused", before[2], ledger.SnapshotRefused, 0)
	// What a fetcher and a parser would have published.
	j := journal.Journal{Bus: f.Bus, Ledger: f.Ledger}
	f.must(j.Imports(t.Context()))
	for i, id := range imports {
		status := before[i]
		imp := fhirmsg.Import{ID: id, Supplier: status.Supplier}
		files, _, err := f.Ledger.Files(t.Context(), id)
		f.must(err)
		f.must(j.Files(t.Context(), imp, files[:1], nil))
		f.must(j.File(t.Context(), imp, fhirmsg.FileStatement{State: "closed", Size: 1, Read: 1}))
	}
	rows, err := f.Pool.Query(t.Context(), `SELECT i.pins, p.off FROM stoker.parsed p JOIN stoker.import i ON i.id = p.import WHERE p.file = 0`)
	f.must(err)
	for rows.Next() {
		s := fhirmsg.Statement{Place: fhirmsg.Place{Length: 100}, Lines: 1, Plain: 1}
		f.must(rows.Scan(&s.Import, &s.Offset))
		msg, err := s.Encode()
		f.must(err)
		f.must(f.Bus.Publish(t.Context(), fhirmsg.StatementSubject(s.Import.Supplier), s.MessageID(), msg))
	}
	f.must(rows.Err())
	f.waitFor("the journal", func() bool {
		changed, err := f.Ledger.Unpublished(t.Context())
		return err == nil && len(changed) == 0
	})
	stop()

	pool, err := pgxpool.New(t.Context(), pgtest.New(t))
	f.must(err)
	t.Cleanup(pool.Close)
	f.Pool, f.deps.Pool, f.Ledger = pool, pool, ledger.New(pool)
	f.must(writer.Prepare(t.Context(), f.config(), f.deps))
	f.startWriter()
	restored, err := f.Restore(t.Context(), RestoreRequest{Since: time.Now().Add(-time.Hour)})
	f.must(err)
	for _, r := range restored.Replays {
		if r = f.waitReplay(r.ID); r.State != ledger.ReplayComplete {
			t.Errorf("replay: %s (%s)", r.State, r.Reason)
		}
	}
	if got := f.patients("fhir"); got != "a d" {
		t.Errorf("rows after the restore: %s", got)
	}
	for i, id := range imports {
		s, err := f.Ledger.Status(t.Context(), id)
		f.must(err)
		if s.Resources != before[i].Resources || s.State != before[i].State || s.Missing != 0 {
			t.Errorf("import %d: %s %+v, before %s %+v", i, s.State, s.Resources, before[i].State, before[i].Resources)
		}
		if s.Snapshot != nil && (s.Snapshot.State != before[i].Snapshot.State || s.Snapshot.Deleted != before[i].Snapshot.Deleted || s.Snapshot.Lacks != before[i].Snapshot.Lacks) {
			t.Errorf("import %d: snapshot %+v, before %+v", i, s.Snapshot, before[i].Snapshot)
		}
	}
	// The refused one can still be confirmed: its keys came back with its batches.
	f.must(f.Ledger.ConfirmSnapshot(t.Context(), imports[2], "off"))
	f.wantSnapshot("confirmed", f.waitImport(imports[2]), ledger.SnapshotApplied, 1)
	if got := f.patients("fhir"); got != "a" {
		t.Errorf("rows after it was confirmed: %s", got)
	}
}
