package store

import (
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// writtenOf is what a write said of its batches, as the journal has it.
func (f *fixture) writtenOf(batches ...fhirmsg.Batch) (w fhirmsg.Written) {
	f.t.Helper()
	result, err := f.Write(f.t.Context(), batches)
	if err != nil {
		f.t.Fatal(err)
	}
	for i, s := range result.Stated {
		b := s.Batch
		w.Batches = append(w.Batches, fhirmsg.WrittenBatch{
			Import: b.Import.ID, File: b.File, Offset: b.Offset, Type: b.Type, Part: b.Part, Fingerprint: b.Fingerprint,
			Sequence: uint64(i + 1), Conflicts: s.Counts.Conflicts, Rows: len(s.Outcomes),
		})
		w.Outcomes = append(w.Outcomes, s.Outcomes...)
	}
	return w
}

// restoring is a replay that restores n messages of dataset fhir.
func (f *fixture) restoring(n int64) Replay {
	f.t.Helper()
	r := f.replay("fhir", false, n)
	f.exec(`UPDATE stoker.replay SET restores = clock_timestamp() - interval '1 hour' WHERE ended IS NULL`)
	return r
}

// TestRestoredStatements: rows and statements that were lost come back together, and the
// statements say what they said, also where batches are written in another order; a reject has its
// reason again; what was cancelled stays out and what the import had stored before does not.
func TestRestoredStatements(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	first, second, cancelled := f.accept(fhirmsg.ModeOverwrite), f.accept(fhirmsg.ModeOverwrite), f.accept(fhirmsg.ModeOverwrite)
	batches := []fhirmsg.Batch{
		batchOf(first, res{id: "a", content: "1"}, res{id: "b", content: "1"}, res{id: "bad", content: `"\u0000"`}),
		batchOf(second, res{id: "a", content: "2"}, res{id: "b", deleted: true}),
		batchOf(cancelled, res{id: "c", content: "1"}),
		batchOf(cancelled, res{id: "d", content: "1"}),
	}
	batches[3].Offset = 1000
	var said []fhirmsg.Written
	for i, b := range batches {
		if i == 3 {
			if err := f.ledger.Cancel(t.Context(), cancelled.ID); err != nil {
				t.Fatal(err)
			}
		}
		said = append(said, f.writtenOf(b))
	}
	if again := f.writtenOf(batches[0]); string(again.Outcomes) != string(said[0].Outcomes) {
		t.Errorf("a batch that is delivered again is stated as %s, before %s", again.Outcomes, said[0].Outcomes)
	}
	rows := map[string]string{"a": "2", "b": "deleted", "c": "1"}
	f.wantRows(rows)
	byImport := func() (all []ledger.Counts) {
		for _, imp := range []fhirmsg.Import{first, second, cancelled} {
			s, err := f.ledger.Status(t.Context(), imp.ID)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, s.ByType["Patient"])
		}
		return all
	}
	before := byImport()

	f.exec(`TRUNCATE fhir.patient, fhir.tombstone, stoker.written, stoker.reject, stoker.issue`)
	for range 2 {
		for _, w := range said {
			if err := f.ledger.RestoreWritten(t.Context(), "fhir", w); err != nil {
				t.Fatal(err)
			}
		}
	}
	if left := f.restoring(0); f.settled(left).State != ledger.ReplayFailed {
		t.Error("a restore is complete although batches were not written again")
	}
	r := f.restoring(int64(len(batches)))
	f.again(r, batches[3], batches[2], batches[1], batches[0])
	if done := f.settled(r); done.State != ledger.ReplayComplete {
		t.Errorf("the restore is %s: %s", done.State, done.Reason)
	}
	f.wantRows(rows)
	for i, after := range byImport() {
		if after != before[i] {
			t.Errorf("import %d: %+v, before the loss %+v", i, after, before[i])
		}
	}
	if n := countOf(t, f.pool, `SELECT count(*) FROM stoker.reject r JOIN stoker.issue USING (import)`); n != 1 {
		t.Errorf("%d rejects with their reason, want 1", n)
	}
}

// TestDiscardAgain: what was discarded before the loss is discarded again, whether its rows are in the
// backup or come with the replay, and its reason does not say so twice.
func TestDiscardAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.setHistory("fhir", true, true)
	kept, undone := f.accept(fhirmsg.ModeOverwrite), f.accept(fhirmsg.ModeOverwrite)
	f.write(batchOf(kept, res{id: "a", content: "1"}))
	inBackup := batchOf(undone, res{id: "a", content: "2"})
	later := batchOf(undone, res{id: "b", content: "2"})
	later.Offset = 1000
	f.write(inBackup)
	said := f.writtenOf(later)
	f.exec(`DELETE FROM fhir.patient WHERE id = 'b'; DELETE FROM fhir.patient_history WHERE id = 'b'; DELETE FROM stoker.written WHERE off = 1000;
		UPDATE stoker.import SET state = 'complete', ended = now(), reason = 'discarded' WHERE id <> (SELECT id FROM stoker.import ORDER BY issued LIMIT 1)`)
	if err := f.ledger.RestoreWritten(t.Context(), "fhir", said); err != nil {
		t.Fatal(err)
	}
	if err := DiscardAgain(t.Context(), f.pool, undone.ID, ledger.AllFiles); err != nil {
		t.Fatal(err)
	}
	f.wantRows(map[string]string{"a": "1"})
	f.again(f.restoring(1), later)
	f.wantRows(map[string]string{"a": "1"})
	s, err := f.ledger.Status(t.Context(), undone.ID)
	if err != nil || s.ByType["Patient"] != (ledger.Counts{Discarded: 2}) || s.Reason != "discarded" {
		t.Errorf("account of what was discarded: %q, %+v, %v", s.Reason, s.ByType, err)
	}
}

// countOf is a number from the database.
func countOf(t *testing.T, pool *pgxpool.Pool, sql string) (n int) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), sql).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
