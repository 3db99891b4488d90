package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/pgtest"
	"github.com/stoker-fhir/stoker/services/writer/operate"
)

// generated is a folder of resources of made-up patients.
func generated(t *testing.T, patients, seed int) string {
	t.Helper()
	dir := t.TempDir()
	if r := stoker(t, nil, "", "generate", "--patients", fmt.Sprint(patients), "--seed", fmt.Sprint(seed), dir); r.code != 0 {
		t.Fatal(r.stderr)
	}
	return dir
}

// replayJSON replays with --json and returns the account.
func replayJSON(t *testing.T, env []string, args ...string) ledger.Replay {
	t.Helper()
	r := stoker(t, env, "", append([]string{"replay", "--json"}, args...)...)
	var replay ledger.Replay
	if err := json.Unmarshal([]byte(r.stdout), &replay); err != nil {
		t.Fatalf("replay %v ended with %d, and not with JSON: %v\n%s\n%s", args, r.code, err, r.stdout, r.stderr)
	}
	if sum := replay.Sum(); replay.State != ledger.ReplayComplete || sum.Done != sum.Messages {
		t.Errorf("replay %v is %s: %s; %d of %d messages", args, replay.State, replay.Reason, sum.Done, sum.Messages)
	}
	return replay
}

func execSQL(t *testing.T, url, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background()) //nolint:errcheck // the statement was answered
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

func statusJSON(t *testing.T, env []string, id fhirmsg.ImportID) (s ledger.Status) {
	t.Helper()
	r := stoker(t, env, "", "status", "--json", id.String())
	if strings.Contains(r.stderr, ledger.ErrNotFound.Error()) {
		return s // it was not accepted yet
	}
	if err := json.Unmarshal([]byte(r.stdout), &s); err != nil {
		t.Fatalf("status: %v\n%s", err, r.stderr)
	}
	return s
}

// TestReplay: over existing rows nothing changes, into emptied tables the rows come back, --force
// restores what was edited by hand, and the imports' account stays as it was.
func TestReplay(t *testing.T) {
	t.Parallel()
	env, _ := up(t, pgtest.Dir(t)) // a replay reads all that a server has
	dataset := ownDataset(t)
	url := databaseURL(t, env)
	replayed := func(args ...string) ledger.Replay {
		return replayJSON(t, env, append([]string{"--dataset", dataset}, args...)...)
	}
	first := importJSON(t, env, "--dataset", dataset, "--chunk-size", "65536", generated(t, 30, 3))
	second := importJSON(t, env, "--dataset", dataset, "--chunk-size", "65536", generated(t, 12, 3)) // some of it again
	want := digest(t, url, dataset)

	r := replayed("--type", "Patient")
	if sum := r.Sum(); sum.Resources == 0 || sum.Present+sum.Stale != sum.Resources {
		t.Errorf("over existing rows: %+v; want all present or stale", sum)
	}
	if got := digest(t, url, dataset); got != want {
		t.Errorf("digest %s after a replay over existing rows, before %s", got, want)
	}

	execSQL(t, url, `TRUNCATE replay.patient; TRUNCATE replay.observation`)
	r = replayed("--type", "Patient,Observation")
	if sum := r.Sum(); sum.Inserted == 0 {
		t.Errorf("into empty tables: %+v; want some inserted", sum)
	}
	if got := digest(t, url, dataset); got != want {
		t.Errorf("digest %s after TRUNCATE and a replay, before %s", got, want)
	}

	execSQL(t, url, `UPDATE replay.patient SET resource = '{"edited": true}' WHERE id = (SELECT min(id) FROM replay.patient)`)
	replayed("--type", "Patient")
	if got := digest(t, url, dataset); got == want {
		t.Error("a replay without --force restored a row edited by hand")
	}
	r = replayed("--type", "Patient", "--force")
	if sum := r.Sum(); sum.Updated != 1 || sum.Inserted+sum.Unchanged != 0 {
		t.Errorf("forced: %+v; want 1 updated, the rest present or stale", sum)
	}
	if got := digest(t, url, dataset); got != want {
		t.Errorf("digest %s after a forced replay, before %s", got, want)
	}

	r = replayed("--import", second.Import.String())
	if got, want := r.Sum().Resources, second.Resources.Seen; got != want {
		t.Errorf("of one import: %d resources, want its %d", got, want)
	}
	for _, before := range []ledger.Status{first, second} {
		after := statusJSON(t, env, before.Import)
		if diff := cmp.Diff(before.Resources, after.Resources); diff != "" || after.State != before.State {
			t.Errorf("an import's account changed with replays (-before +after):\n%s", diff)
		}
	}
}

// queries counts a table in a loop until stop, and returns what failed.
func queries(t *testing.T, url, sql string) (stop func() (n int, err error)) {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	n, failed := 0, make(chan error, 1)
	go func() {
		for ctx.Err() == nil {
			var count int
			err := pool.QueryRow(context.WithoutCancel(ctx), sql).Scan(&count)
			if err == nil && count == 0 {
				err = fmt.Errorf("query %d found no rows", n)
			}
			if err != nil {
				failed <- err
				return
			}
			n++
		}
		failed <- nil
	}()
	return func() (int, error) { cancel(); err := <-failed; return n, err }
}

// TestReplayIntoAndSwap: a dataset is built beside another and swapped in while an import runs
// and queries do. No query fails, nothing is lost, and the rows are those of a serial run.
func TestReplayIntoAndSwap(t *testing.T) {
	t.Parallel()
	dirs := []string{generated(t, 20, 3), generated(t, 60, 7)}
	env, _ := up(t, pgtest.Dir(t)) // a replay reads all that a server has
	for _, dir := range dirs {
		importJSON(t, env, "--dataset", "serial", dir)
	}
	url := databaseURL(t, env)
	want := digest(t, url, "serial")

	importJSON(t, env, "--dataset", "swapped", "--chunk-size", "16384", dirs[0])
	execSQL(t, url, `INSERT INTO swapped.patient (id, resource) VALUES ('by-hand', '{"resourceType": "Patient", "id": "by-hand"}')`)
	stop := queries(t, url, `SELECT count(*) FROM swapped.patient`)
	id := strings.TrimSpace(stoker(t, env, "", "import", "--no-wait", "--dataset", "swapped", "--chunk-size", "8192", dirs[1]).stdout)
	waitFor(t, "the import to be under way", func() bool { return importAccount(t, env, id).Resources.Inserted > 200 })
	replayJSON(t, env, "--dataset", "swapped", "--into", "swapped-new")
	if r := stoker(t, env, "", "dataset", "swap", "swapped", "swapped-new"); r.code != 0 {
		t.Errorf("swap ended with %d: %s%s", r.code, r.stdout, r.stderr)
	}
	s := untilEnded(t, env, id)
	wantBalanced(t, "an import during a swap", s)
	if n, err := stop(); err != nil || n == 0 {
		t.Errorf("query %d failed: %v", n, err)
	}
	if s.State != ledger.StateComplete {
		t.Errorf("the import is %s: %s", s.State, s.Reason)
	}
	if got := digest(t, url, "swapped"); got != want {
		t.Errorf("digest %s after the swap, of a serial run %s", got, want)
	}

	// And back: the old rows get what came since, and what was added by hand is there again.
	if r := stoker(t, env, "", "dataset", "swap", "swapped", "swapped-new"); r.code != 0 {
		t.Errorf("swap back ended with %d: %s%s", r.code, r.stdout, r.stderr)
	}
	execSQL(t, url, `DELETE FROM swapped.patient WHERE id = 'by-hand'`)
	if got := digest(t, url, "swapped"); got != want {
		t.Errorf("digest %s after swapping back, of a serial run %s", got, want)
	}
	wantDrop(t, env, url)
}

// wantDrop drops what was built beside, and fails to where it must not.
func wantDrop(t *testing.T, env []string, url string) {
	t.Helper()
	execSQL(t, url, `CREATE VIEW public.people AS SELECT id FROM "swapped-new".patient`)
	if r := stoker(t, env, "", "dataset", "drop", "swapped-new", "--yes"); r.code == 0 || !strings.Contains(r.stderr, "people") {
		t.Errorf("drop under a view ended with %d: %s", r.code, r.stderr)
	}
	execSQL(t, url, `DROP VIEW public.people`)
	if r := stoker(t, env, "no\n", "dataset", "drop", "swapped-new"); r.code != 2 {
		t.Errorf("drop without a yes ended with %d: %s", r.code, r.stderr)
	}
	if r := stoker(t, env, "", "dataset", "drop", "swapped-new", "--yes"); r.code != 0 {
		t.Errorf("drop ended with %d: %s", r.code, r.stderr)
	}
	if r := stoker(t, env, "", "dataset", "list"); r.code != 0 || strings.Contains(r.stdout, "swapped-new") || !strings.Contains(r.stdout, "swapped ") {
		t.Errorf("list ended with %d:\n%s%s", r.code, r.stdout, r.stderr)
	}
	if r := stoker(t, env, "", "streams"); r.code != 0 || !strings.Contains(r.stdout, "a replay can begin anywhere") {
		t.Errorf("streams ended with %d:\n%s%s", r.code, r.stdout, r.stderr)
	}
}

// TestKillWriterInReplay: kill -9 of one of two writers in mid-replay. The other and a new one go
// on, every message is stated once, and the rows are back.
func TestKillWriterInReplay(t *testing.T) {
	t.Parallel()
	p := newPipeline(t, false)
	p.start("fetcher")
	p.start("parser")
	p.start("writer", "STOKER_WRITER_ROWS=100")
	victim := p.start("writer", "STOKER_WRITER_ROWS=100")
	p.wait(p.request(fhirmsg.ImportRequest{ChunkSize: 8 << 10, Sources: []fhirmsg.Source{{Path: generated(t, 60, 7)}}}))
	want := digest(t, p.databaseURL, "fhir")
	pool, err := pgxpool.New(t.Context(), p.databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	for _, table := range []string{"patient", "observation", "encounter", "condition"} {
		execSQL(t, p.databaseURL, `TRUNCATE fhir.`+table)
	}
	operator := &operate.Operator{Bus: p.bus, Ledger: p.ledger, Pool: pool}
	r, err := operator.Replay(t.Context(), operate.ReplayRequest{Dataset: "fhir"})
	if err != nil {
		t.Fatal(err)
	}
	again := func() ledger.Replay {
		if r, err = p.ledger.Replay(t.Context(), r.ID); err != nil {
			t.Fatal(err)
		}
		return r
	}
	waitFor(t, "the replay to be under way", func() bool { return again().Sum().Done > 20 })
	victim.kill()
	if again().State.Ended() {
		t.Fatal("the replay had ended before the kill")
	}
	p.start("writer", "STOKER_WRITER_ROWS=100")
	waitFor(t, "the replay's end", func() bool { return again().State.Ended() })
	if sum := r.Sum(); r.State != ledger.ReplayComplete || sum.Done != sum.Messages || sum.Inserted == 0 {
		t.Errorf("the replay is %s: %s; %+v", r.State, r.Reason, sum)
	}
	if got := digest(t, p.databaseURL, "fhir"); got != want {
		t.Errorf("digest %s after the replay, before %s", got, want)
	}
	waitFor(t, "the replay's consumers to be removed", func() bool {
		names, err := p.bus.ReplayConsumers(t.Context())
		return err == nil && len(names) == 0
	})
}
