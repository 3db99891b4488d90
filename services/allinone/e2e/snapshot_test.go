package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/pgtest"
)

// patientsBut are the lines of n Patients without the last of them.
func patientsBut(n, without int) string {
	var b strings.Builder
	for i := range n - without {
		fmt.Fprintf(&b, `{"resourceType":"Patient","id":"p%d"}`+"\n", i)
	}
	return b.String()
}

// TestSnapshot: of three deliveries the third lacks rows, which are deleted; one that lacks too many deletes none until it is
// confirmed, and kill -9 between the decision and the deletion changes nothing of what becomes of it.
func TestSnapshot(t *testing.T) {
	t.Parallel()
	p := newPipeline(t, true)
	dir := pgtest.Dir(t)
	env, server := up(t, dir, p.env...)
	conn, err := pgx.Connect(t.Context(), p.databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background()) //nolint:errcheck // only read
	wantRows := func(what string, live, dead int) {
		t.Helper()
		var gotLive, gotDead int
		if err := conn.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM clinic.patient), (SELECT count(*) FROM clinic.tombstone)`).Scan(&gotLive, &gotDead); err != nil {
			t.Fatal(err)
		}
		if gotLive != live || gotDead != dead {
			t.Errorf("%s: %d rows and %d deletions, want %d and %d", what, gotLive, gotDead, live, dead)
		}
	}
	must(t, env, "supplier", "add", "clinic", "--snapshot")
	deliver := func(content string, flags ...string) (s ledger.Status, code int) {
		t.Helper()
		r := stoker(t, env, "", append([]string{"import", "--json", "--supplier", "clinic", write(t, "all.ndjson", content)}, flags...)...)
		if err := json.Unmarshal([]byte(r.stdout), &s); err != nil {
			t.Fatalf("import ended with %d: %v\n%s%s", r.code, err, r.stdout, r.stderr)
		}
		wantBalanced(t, s.Import.String(), s)
		return s, r.code
	}
	deliver(patientsBut(40, 0))
	if s, code := deliver(patientsBut(40, 0)); code != 0 || s.Snapshot == nil || s.Snapshot.State != ledger.SnapshotApplied || s.Resources.Unchanged != 40 {
		t.Errorf("the second ended with %d: %+v, %+v", code, s.Snapshot, s.Resources)
	}
	if s, code := deliver(patientsBut(40, 1)); code != 0 || s.Snapshot.State != ledger.SnapshotApplied || s.Snapshot.Deleted != 1 || s.Resources.Deleted != 1 {
		t.Errorf("the third ended with %d: %+v, %+v", code, s.Snapshot, s.Resources)
	}
	wantRows("the third", 39, 1)
	// Not a snapshot, and one that cannot be applied.
	if s, code := deliver(patientsBut(40, 39), "--snapshot=false"); code != 0 || s.Snapshot != nil {
		t.Errorf("a part: %d, %+v", code, s.Snapshot)
	}
	if s, code := deliver(patientsBut(40, 2)+"{broken\n", "--max-deletes", "off"); code == 0 || s.Snapshot != nil && s.Snapshot.State != ledger.SnapshotNotApplied {
		t.Errorf("with a line that cannot be read: %d, %+v", code, s.Snapshot)
	}
	wantRows("none of them", 39, 1)

	s, code := deliver(patientsBut(40, 10))
	if code != 5 || s.State != ledger.StateComplete || s.Snapshot.State != ledger.SnapshotRefused || s.Snapshot.Lacks != 9 || s.Snapshot.Before != 39 {
		t.Fatalf("too many: %d, %s, %+v", code, s.State, s.Snapshot)
	}
	r := stoker(t, env, "", "status", s.Import.String())
	if !strings.Contains(r.stdout, "lacks 9 of the 39") || !strings.Contains(r.stdout, "stoker snapshot "+s.Import.String()+" --max-deletes 9") {
		t.Errorf("status does not tell: %s", r.stdout)
	}
	wantRows("refused", 39, 1)

	// A deletion has its type to itself; held up so, the process dies between the decision and the deletion.
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `SELECT pg_advisory_xact_lock_shared(hashtextextended('stoker:type:clinic:Patient', 0))`); err != nil {
		t.Fatal(err)
	}
	must(t, env, "snapshot", s.Import.String(), "--max-deletes", "9", "--no-wait")
	waitFor(t, "the deletions to be in the queue", func() bool {
		s, err = p.ledger.Status(t.Context(), s.Import)
		return err == nil && s.State == ledger.StateDraining && s.Snapshot.State == ledger.SnapshotApplied && s.Missing == 9
	})
	server.kill()
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantRows("killed", 39, 1)
	env, _ = up(t, dir, p.env...)
	s = p.wait(s.Import)
	wantBalanced(t, "confirmed", s)
	if s.State != ledger.StateComplete || s.Snapshot.Deleted != 9 || s.Resources.Deleted != 9 || s.Resources.Unchanged != 30 {
		t.Errorf("confirmed: %s, %+v, %+v", s.State, s.Snapshot, s.Resources)
	}
	wantRows("confirmed", 30, 10)
	if s, _ := deliver(patientsBut(40, 0)); s.Resources.Inserted != 10 || s.Snapshot.State != ledger.SnapshotApplied {
		t.Errorf("all of it again: %+v, %+v", s.Snapshot, s.Resources)
	}
	wantRows("all of it again", 40, 0)
}

// TestMends: what was rejected is delivered anew; status and rejects tell what is still open.
func TestMends(t *testing.T) {
	t.Parallel()
	p := newPipeline(t, false)
	env, _ := up(t, pgtest.Dir(t), p.env...)
	first := importJSON(t, env, "--validation", "strict", write(t, "bad.ndjson",
		`{"resourceType":"Patient","id":"a","gender":"x"}`+"\n"+`{"resourceType":"Patient","id":"b","gender":"y"}`+"\n{broken\n"))
	id := first.Import.String()
	if first.Lines.Rejected != 3 {
		t.Fatalf("rejected %+v", first.Lines)
	}
	if again := importJSON(t, env, "--mends", id, write(t, "mended.ndjson", `{"resourceType":"Patient","id":"a","gender":"male"}`+"\n")); again.Mends == nil || *again.Mends != first.Import {
		t.Errorf("the mending import: %+v", again.Mends)
	}
	s := status(t, env, first)
	if s.Mended == nil || s.Mended.Resolved != 1 || s.Mended.Open != 2 || len(s.Mended.By) != 1 {
		t.Errorf("mended: %+v", s.Mended)
	}
	if r := must(t, env, "rejects", id, "--open", "--lines"); strings.Contains(r.stdout, `"a"`) || !strings.Contains(r.stdout, `"b"`) || !strings.Contains(r.stdout, "{broken") {
		t.Errorf("open rejects: %s", r.stdout)
	}
}
