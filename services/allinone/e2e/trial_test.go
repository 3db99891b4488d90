package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/exporttest"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/pgtest"
	"github.com/stoker-fhir/stoker/services/allinone/internal/api"
)

// night is when the clinic's content was changed for the n-th time.
func night(n int) time.Time { return time.Date(2026, 3, 1+n, 1, 0, 0, 0, time.UTC) }

// resource is one of the clinic's, as it is since a night.
func resource(n int, typ, id, patient, value string) exporttest.Resource {
	rest := ""
	if patient != "" {
		rest = `,"subject":{"reference":"Patient/` + patient + `"}`
	}
	if typ == "Observation" {
		rest += `,"status":"final","code":{"text":"weight"}`
	}
	body := fmt.Sprintf(`{"resourceType":%q,"id":%q,"meta":{"lastUpdated":%q},"language":%q%s}`, typ, id, night(n).Format(time.RFC3339), value, rest)
	return exporttest.Resource{Type: typ, ID: id, Patient: patient, Body: body}
}

// nights are what happens at the clinic.
var nights = []exporttest.Day{
	{At: night(0), Members: []string{"a", "b"}, Put: []exporttest.Resource{
		resource(0, "Patient", "a", "", "de"), resource(0, "Patient", "b", "", "de"), resource(0, "Patient", "c", "", "de"), resource(0, "Practitioner", "p", "", "de"),
		resource(0, "Observation", "a1", "a", "de"), resource(0, "Observation", "b1", "b", "de"), resource(0, "Observation", "c1", "c", "de"),
	}},
	{At: night(1), Put: []exporttest.Resource{resource(1, "Patient", "a", "", "en"), resource(1, "Observation", "a2", "a", "de")}, Delete: []string{"Observation/b1"}},
	{At: night(2), Members: []string{"a", "b", "c"}, // c joins, and nothing of c has changed
		Put: []exporttest.Resource{resource(2, "Observation", "b1", "b", "fr"), resource(2, "Practitioner", "p", "", "en")}, Delete: []string{"Observation/a2"}},
}

// trial is a clinic's server and a trial's datasets.
type trial struct {
	*testing.T
	*pipeline
	clinic *exporttest.Server
	dir    string
	env    []string
	server *process
	blocks []string // of the page, in order
	conn   *pgx.Conn
}

func newTrial(t *testing.T) *trial {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "use-cases", "trial-server.md"))
	if err != nil {
		t.Fatal(err)
	}
	w := &trial{T: t, clinic: exporttest.New(t, exporttest.Options{Dialect: exporttest.V3}), pipeline: newPipeline(t, true), dir: pgtest.Dir(t)}
	for _, part := range strings.Split(string(page), "```sh\n")[1:] {
		block, _, _ := strings.Cut(part, "```")
		w.blocks = append(w.blocks, block)
	}
	if w.conn, err = pgx.Connect(t.Context(), w.databaseURL); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.conn.Close(context.Background()) }) // the test is over
	w.up()
	return w
}

func (w *trial) up() { w.env, w.server = up(w.T, w.dir, w.pipeline.env...) }

// script runs the n-th script of the page.
func (w *trial) script(n int) string {
	w.Helper()
	at, err := url.Parse(w.clinic.URL)
	if err != nil {
		w.Fatal(err)
	}
	cmd := exec.CommandContext(w.Context(), "bash", "-euo", "pipefail", "-c", w.blocks[n])
	cmd.Env = append(append(os.Environ(), w.env...), "PATH="+programs+":"+os.Getenv("PATH"),
		"CLINIC="+w.clinic.URL, "CLINIC_ORIGIN=http://"+at.Host, "CLINIC_HOST="+at.Hostname())
	out, err := cmd.CombinedOutput()
	if err != nil {
		w.Fatalf("%s\nended with %v:\n%s", w.blocks[n], err, out)
	}
	return string(out)
}

// has is what a dataset has, and what was deleted of it.
func (w *trial) has(dataset string) (live map[string]any, deleted []string) {
	w.Helper()
	live = map[string]any{}
	for _, table := range []string{"patient", "observation", "practitioner"} {
		rows, err := w.conn.Query(w.Context(), `SELECT resource->>'resourceType' || '/' || id, resource FROM `+pgx.Identifier{dataset, table}.Sanitize())
		if err != nil {
			w.Fatal(err)
		}
		var key string
		var resource any
		if _, err := pgx.ForEachRow(rows, []any{&key, &resource}, func() error { live[key] = resource; return nil }); err != nil {
			w.Fatal(err)
		}
	}
	rows, err := w.conn.Query(w.Context(), `SELECT type || '/' || id FROM `+pgx.Identifier{dataset, "tombstone"}.Sanitize()+` ORDER BY 1`)
	if err == nil {
		deleted, err = pgx.CollectRows(rows, pgx.RowTo[string])
	}
	if err != nil {
		w.Fatal(err)
	}
	return live, deleted
}

// wantEqual holds a dataset to what the clinic has.
func (w *trial) wantEqual(what, dataset string, at exporttest.Options) {
	w.Helper()
	want := map[string]any{}
	for key, line := range at.Content() {
		var resource any
		if err := json.Unmarshal([]byte(line), &resource); err != nil {
			w.Fatal(err)
		}
		want[key] = resource
	}
	live, deleted := w.has(dataset)
	if diff := cmp.Diff(want, live); diff != "" {
		w.Errorf("%s: dataset %s (-clinic +dataset):\n%s", what, dataset, diff)
	}
	for _, d := range at.Deletions {
		if !slices.Contains(deleted, d.Of) {
			w.Errorf("%s: dataset %s has no deletion of %s", what, dataset, d.Of)
		}
	}
}

func (w *trial) exec(sql string) {
	w.Helper()
	if _, err := w.conn.Exec(w.Context(), sql); err != nil {
		w.Fatal(err)
	}
}

// killed kills the process that runs everything, and starts another one.
func (w *trial) killed() {
	w.Helper()
	w.server.kill()
	w.up()
}

// nightWithKills is a run that is killed in each of its phases.
func (w *trial) nightWithKills() {
	w.Helper()
	there := w.clinic.Halt(exporttest.KickOff)
	must(w.T, w.env, "sync", "run", "killed")
	w.await(there)
	w.server.kill()
	w.exec(`UPDATE stoker.export SET held = 'epoch', next = 'epoch' WHERE state = 'asking'`) // the time of its claim passes
	w.clinic.Set(func(o *exporttest.Options) { o.Hold = true })
	w.up()
	polls := len(w.clinic.Asked(exporttest.Status)) + 2
	waitFor(w.T, "the export to be polled", func() bool { return len(w.clinic.Asked(exporttest.Status)) >= polls })
	w.server.kill()
	// A deletion has its type to itself; held up so, the import is read and not stored.
	tx, err := w.conn.Begin(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	if _, err := tx.Exec(w.Context(), `SELECT pg_advisory_xact_lock_shared(hashtextextended('stoker:type:killed:Observation', 0))`); err != nil {
		w.Fatal(err)
	}
	there = w.clinic.Halt(exporttest.File)
	w.clinic.Set(func(o *exporttest.Options) { o.Hold = false })
	w.up()
	w.await(there)
	w.killed()
	waitFor(w.T, "the import to drain", func() bool { return w.newest("killed").ImportState == ledger.StateDraining })
	w.server.kill()
	if err := tx.Rollback(w.Context()); err != nil {
		w.Fatal(err)
	}
	w.up()
	waitFor(w.T, "the run to end", func() bool { return w.newest("killed").State.Ended() })
	if run := w.newest("killed"); run.State != ledger.SyncComplete {
		w.Errorf("killed in each phase, the run is %+v", run)
	}
}

// newest is the newest run of a sync.
func (w *trial) newest(name string) ledger.SyncRun {
	w.Helper()
	_, runs, err := w.ledger.Sync(w.Context(), name, time.Now(), 1)
	if err != nil || len(runs) == 0 {
		w.Fatalf("%d runs of sync %s, %v", len(runs), name, err)
	}
	return runs[0]
}

func (w *trial) await(there <-chan struct{}) {
	w.Helper()
	select {
	case <-there:
	case <-time.After(deadline):
		w.Fatal("waited in vain for a request")
	}
}

// shown is what `+"`stoker sync show`"+` shows.
func (w *trial) shown(name string) (s api.Sync) {
	w.Helper()
	r := must(w.T, w.env, "sync", "show", name, "--json")
	if err := json.Unmarshal([]byte(r.stdout), &s); err != nil {
		w.Fatal(err)
	}
	return s
}

// TestTrialServer runs docs/use-cases/trial-server.md: after each of three nights the trial's dataset has what the clinic has, deletions and
// patients who joined included; so it has after a night that is killed in each of its phases, and after nights out of order. What was changed by hand
// is restored, and what vanished without a word is deleted.
func TestTrialServer(t *testing.T) {
	t.Parallel()
	w := newTrial(t)
	const once, run, list, full, fresh, reconcile = 0, 1, 2, 3, 4, 5
	if len(w.blocks) != reconcile+1 {
		t.Fatalf("the page has %d scripts", len(w.blocks))
	}
	w.script(once)
	must(t, w.env, "sync", "add", "killed", "--from", w.clinic.URL, "--group", "cohort", "--every", "0 2 29 2 *", "--into", "killed")
	var after []exporttest.Options
	for n, day := range nights {
		w.clinic.Pass(day)
		after = append(after, w.clinic.Options())
		what := fmt.Sprintf("night %d", n)
		w.script(run)
		w.wantEqual(what, "trial", after[n])
		if n == 1 {
			w.nightWithKills()
		} else {
			must(t, w.env, "sync", "run", "killed", "--wait")
		}
		w.wantEqual(what, "killed", after[n])
	}
	out := w.script(list)
	for _, want := range []string{"since 2026-03-02 01:50 CET, and 1 who joined", "exports of the patients in Group cohort", "complete", "next run "} {
		if !strings.Contains(out, want) {
			t.Errorf("the list lacks %q:\n%s", want, out)
		}
	}
	w.outOfOrder(after)

	// The trial's side is edited.
	w.exec(`UPDATE trial.patient SET resource = jsonb_set(resource, '{language}', '"xx"') WHERE id = 'a'`)
	w.exec(`DELETE FROM trial.observation WHERE id = 'c1'`)
	w.script(full)
	w.wantEqual("after --full", "trial", after[2])
	w.exec(`INSERT INTO trial.patient (id, resource) VALUES ('mine', '{"resourceType":"Patient","id":"mine"}')`)
	w.exec(`UPDATE trial.practitioner SET resource = jsonb_set(resource, '{language}', '"xx"')`)
	w.script(fresh)
	w.wantEqual("after the swap", "trial", after[2])

	// Something vanishes without a word.
	w.clinic.Set(func(o *exporttest.Options) {
		o.Resources = slices.DeleteFunc(slices.Clone(o.Resources), func(r exporttest.Resource) bool { return r.String() == "Observation/c1" })
	})
	r := stoker(t, w.env, "", "sync", "run", "nightly", "--reconcile", "--wait")
	if live, _ := w.has("trial"); r.code != 5 || !strings.Contains(r.stdout, "Observation 1") || live["Observation/c1"] == nil {
		t.Errorf("reconciled without a word: %d, %s%s, %v", r.code, r.stdout, r.stderr, slices.Sorted(maps.Keys(live)))
	}
	w.script(reconcile)
	w.wantEqual("reconciled", "trial", w.clinic.Options())
	w.outdated()
}

// outOfOrder imports the third night before the second one.
func (w *trial) outOfOrder(after []exporttest.Options) {
	w.Helper()
	last := w.clinic.Options()
	for _, i := range []struct {
		night int
		flags []string
	}{
		{0, nil},
		{2, []string{"--since", night(1).Format(time.RFC3339)}},
		{2, []string{"--patient", "c"}},
		{1, []string{"--since", night(0).Format(time.RFC3339)}},
	} {
		w.clinic.Set(func(o *exporttest.Options) { *o = after[i.night] })
		importJSON(w.T, w.env, append([]string{"--export", w.clinic.URL, "--group", "cohort", "--mode", "sync", "--dataset", "shuffled"}, i.flags...)...)
	}
	w.clinic.Set(func(o *exporttest.Options) { *o = last })
	w.wantEqual("out of order", "shuffled", last)
}

// outdated has a version of a patient that cannot be stored, and then one that can.
func (w *trial) outdated() {
	w.Helper()
	bad := resource(3, "Patient", "a", "", "de")
	bad.Body = strings.Replace(bad.Body, `"de"`, `"\u0000"`, 1)
	w.clinic.Pass(exporttest.Day{At: night(3), Put: []exporttest.Resource{bad}})
	must(w.T, w.env, "sync", "run", "nightly", "--wait")
	if s := w.shown("nightly"); len(s.Outdated) != 1 || s.Outdated[0].Type+"/"+s.Outdated[0].ID != "Patient/a" || s.Runs[0].State != ledger.SyncComplete {
		w.Errorf("after a version that was rejected, outdated are %+v; %+v", s.Outdated, s.Runs[0])
	}
	if out := must(w.T, w.env, "sync", "show", "nightly").stdout; !strings.Contains(out, "outdated, since a newer version was rejected") || !strings.Contains(out, "Patient/a") {
		w.Errorf("shown as\n%s", out)
	}
	w.clinic.Pass(exporttest.Day{At: night(4), Put: []exporttest.Resource{resource(4, "Patient", "a", "", "it")}})
	must(w.T, w.env, "sync", "run", "nightly", "--wait")
	if s := w.shown("nightly"); len(s.Outdated) != 0 {
		w.Errorf("after a later version, outdated are %+v", s.Outdated)
	}
	w.wantEqual("after a later version", "trial", w.clinic.Options())
}
