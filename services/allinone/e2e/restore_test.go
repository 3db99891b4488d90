package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/pgd"
	"github.com/stoker-fhir/stoker/pkg/pgtest"
	"github.com/stoker-fhir/stoker/services/writer/operate"
)

// account is what must be as before after a restore.
type account struct {
	digests map[string]string // by dataset
	imports []ledger.Status
	rejects []string // by import
}

func accountOf(t *testing.T, env []string, url string, imports []fhirmsg.ImportID, datasets ...string) account {
	t.Helper()
	a := account{digests: map[string]string{}}
	for _, name := range datasets {
		a.digests[name] = digest(t, url, name)
	}
	for _, id := range imports {
		a.imports = append(a.imports, importAccount(t, env, id.String()))
		r := stoker(t, env, "", "issues", id.String())
		if r.code != 0 {
			t.Fatalf("issues: %s", r.stderr)
		}
		a.rejects = append(a.rejects, r.stdout)
	}
	return a
}

// wantSame compares all but how long the imports took.
func wantSame(t *testing.T, got, want account) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(account{}), cmpopts.IgnoreFields(ledger.Status{}, "Seconds")); diff != "" {
		t.Errorf("after the restore (-before +after):\n%s", diff)
	}
}

// must runs a command that must succeed.
func must(t *testing.T, env []string, args ...string) result {
	t.Helper()
	r := stoker(t, env, "", args...)
	if r.code != 0 {
		t.Fatalf("stoker %s ended with %d: %s", strings.Join(args, " "), r.code, r.stderr)
	}
	return r
}

// baseBackup takes a backup of a running server with PostgreSQL's own program.
func baseBackup(t *testing.T, server *pgd.Server) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "backup")
	url, _, _ := strings.Cut(server.URL(), "/stoker?")
	_, query, _ := strings.Cut(server.URL(), "?")
	out, err := exec.Command(postgresProgram(t, server, "pg_basebackup"), "-D", dir, "--checkpoint=fast", "--no-sync", "-d", url+"/?"+query).CombinedOutput()
	if err != nil {
		t.Fatalf("pg_basebackup: %v: %s", err, out)
	}
	return dir
}

// postgresProgram is a program beside the postgres that a server runs.
func postgresProgram(t *testing.T, server *pgd.Server, name string) string {
	t.Helper()
	version, err := os.ReadFile(filepath.Join(server.DataDir(), "PG_VERSION"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("/usr/lib/postgresql", strings.TrimSpace(string(version)), "bin", name)
	if _, err := os.Stat(path); err != nil {
		if path, err = exec.LookPath(name); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// restoreBackup throws a server's data away and starts it on those of a backup.
func restoreBackup(t *testing.T, server *pgd.Server, home, backup string) {
	t.Helper()
	if err := syscall.Kill(server.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-server.Done()
	var owner syscall.Stat_t
	if err := syscall.Stat(server.DataDir(), &owner); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(server.DataDir()); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("cp", "-a", backup, server.DataDir()).CombinedOutput(); err != nil {
		t.Fatalf("copy the backup: %v: %s", err, out)
	}
	if err := filepath.WalkDir(server.DataDir(), func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, int(owner.Uid), int(owner.Gid))
	}); err != nil {
		t.Fatal(err)
	}
	startAgain(t, server, home)
}

// TestRestore: PostgreSQL is restored from a base backup while everything else runs. After
// `stoker replay --since` rows and accounts are what they were before the loss: imports begun since and gone
// on since, updates, deletions, rejects, a retry, what was cancelled half-way, what was discarded, a file
// that failed, datasets that came, and were dropped and came again. What is imported then is newer.
func TestRestore(t *testing.T) {
	t.Parallel()
	home := pgtest.Dir(t)
	server := pgtest.ServerIn(t, home)
	url, restart := startNATS(t, false)
	p := newPipelineOn(t, url, restart, server.URL())
	env, _ := up(t, pgtest.Dir(t), p.env...)
	env = append(env, "DATABASE_URL="+server.URL())
	var imports []fhirmsg.ImportID
	imported := func(args ...string) string {
		t.Helper()
		s := importJSON(t, env, args...)
		imports = append(imports, s.Import)
		return s.Import.String()
	}

	must(t, env, "dataset", "history", "fhir", "on")
	patients := generated(t, 12, 3)
	imported("--chunk-size", "16384", patients)
	imported(write(t, "before.ndjson", beforeIt))
	wrong := imported(write(t, "itself.ndjson", itself))
	imported("--dataset", "old", write(t, "before.ndjson", beforeIt))

	since := time.Now()
	backup := baseBackup(t, server)

	imported("--chunk-size", "16384", generated(t, 20, 3)) // some of it again
	must(t, env, "discard", wrong, "--yes")                // it came before the backup
	invalid := imported("--validation", "strict", "--max-rejects", "off", write(t, "invalid.ndjson", someInvalid), filepath.Join(t.TempDir(), "missing.ndjson"))
	id, err := fhirmsg.ParseImportID(invalid)
	if err != nil {
		t.Fatal(err)
	}
	imports = append(imports, retryJSON(t, env, id, "--validation", "warn").Import)
	undone := imported(write(t, "undone.ndjson", itself))
	must(t, env, "discard", undone, "--yes")
	imports = append(imports, cancelledHalfWay(t, env))
	imported(write(t, "delete.ndjson", `{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"DELETE","url":"Patient/same"}}]}`+"\n"))
	must(t, env, "dataset", "drop", "old", "--yes")
	imported("--dataset", "old", write(t, "again.ndjson", insertsOnly))
	imported("--dataset", "new", patients)
	imported("--dataset", "anew", write(t, "before.ndjson", beforeIt))
	must(t, env, "dataset", "drop", "anew", "--yes")
	imported("--dataset", "anew", write(t, "again.ndjson", insertsOnly))
	before := accountOf(t, env, server.URL(), imports, "fhir", "old", "new", "anew")

	restoreBackup(t, server, home, backup)
	if got := digest(t, server.URL(), "fhir"); got == before.digests["fhir"] {
		t.Fatal("the backup has everything, so that nothing can be shown with it")
	}
	var restored operate.Restored
	r := stoker(t, env, "", "replay", "--since", since.Format(time.RFC3339), "--json")
	if err := json.Unmarshal([]byte(r.stdout), &restored); err != nil || r.code != 0 {
		t.Fatalf("replay --since ended with %d: %v\n%s\n%s", r.code, err, r.stdout, r.stderr)
	}
	if restored.Imports == 0 || restored.Discarded != 2 || len(restored.Replays) != 4 {
		t.Errorf("restored %d imports, discarded %d again, %d replays; want some, 2, 4", restored.Imports, restored.Discarded, len(restored.Replays))
	}
	wantSame(t, accountOf(t, env, server.URL(), imports, "fhir", "old", "new", "anew"), before)

	// Once more changes nothing, and the pipeline goes on.
	must(t, env, "replay", "--since", since.Format(time.RFC3339))
	wantSame(t, accountOf(t, env, server.URL(), imports, "fhir", "old", "new", "anew"), before)
	later := importJSON(t, env, write(t, "later.ndjson", insertsOnly))
	wantBalanced(t, "after the restore", later)
	for _, s := range before.imports {
		if !later.Issued.After(s.Issued) {
			t.Errorf("an import after the restore was issued %s, one before it %s", later.Issued, s.Issued)
		}
	}
	if c := later.Resources.Counts; later.State != ledger.StateComplete || c != (ledger.Counts{Inserted: 2}) {
		t.Errorf("an import after the restore is %s: %+v", later.State, c)
	}
}

// TestRestoreInMidImport: PostgreSQL is restored to a time before an import that is being fetched, parsed and
// written, by processes that run on. Afterwards the import is at its end, with the rows and the account
// of one that nothing happened to.
func TestRestoreInMidImport(t *testing.T) {
	t.Parallel()
	folder := generated(t, 60, 7)
	want := referenceDigest(t, folder)
	home := pgtest.Dir(t)
	server := pgtest.ServerIn(t, home)
	url, restart := startNATS(t, false)
	p := newPipelineOn(t, url, restart, server.URL())
	for _, name := range []string{"fetcher", "parser", "writer", "writer"} {
		p.start(name, strings.ToUpper("stoker_"+name)+"_"+map[string]string{"fetcher": "WINDOW=2", "parser": "WORKERS=1", "writer": "ROWS=100"}[name])
	}
	p.wait(p.request(fhirmsg.ImportRequest{Sources: []fhirmsg.Source{{Path: write(t, "first.ndjson", insertsOnly)}}}))
	since := time.Now()
	backup := baseBackup(t, server)
	id := p.request(fhirmsg.ImportRequest{ChunkSize: 4 << 10, Sources: []fhirmsg.Source{{Path: folder}}})
	var issued time.Time
	waitFor(t, "the import to be under way", func() bool {
		s, err := p.ledger.Status(t.Context(), id)
		issued = s.Issued
		return err == nil && s.Resources.Inserted > 500
	})
	if s, err := p.ledger.Status(t.Context(), id); err != nil || s.State != ledger.StateFetching {
		t.Fatalf("the import is %s already, %v", s.State, err)
	}
	restoreBackup(t, server, home, backup)
	r := stoker(t, append(p.env, "STOKER_DATA_DIR="+t.TempDir()), "", "replay", "--since", since.Format(time.RFC3339))
	if r.code != 0 {
		t.Errorf("replay --since ended with %d: %s\n%s", r.code, r.stdout, r.stderr)
	}
	s := p.wait(id)
	wantBalanced(t, "restored in the middle", s)
	if s.State != ledger.StateComplete || !s.Issued.Equal(issued) || s.Resources.Inserted != s.Resources.Seen {
		t.Errorf("%s: %s, issued %s, before %s; %+v", s.State, s.Reason, s.Issued, issued, s.Resources)
	}
	execSQL(t, server.URL(), `DELETE FROM fhir.patient WHERE id IN ('p1', 'p2')`)
	if got := digest(t, server.URL(), "fhir"); got != want {
		t.Errorf("digest %s, undisturbed %s", got, want)
	}
}

// cancelledHalfWay imports, and cancels when all but one type is stored.
func cancelledHalfWay(t *testing.T, env []string) fhirmsg.ImportID {
	t.Helper()
	must(t, env, "pause", "--type", "Encounter")
	id, err := fhirmsg.ParseImportID(strings.TrimSpace(must(t, env, "import", "--no-wait", "--chunk-size", "16384", generated(t, 6, 11)).stdout))
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, "all but one type to be stored", func() bool {
		s := importAccount(t, env, id.String())
		return s.State == ledger.StateDraining && s.Lines.Parsed == s.Lines.Read && s.ByType["Encounter"].Total() == 0 &&
			s.Resources.Total() > 100 && s.ByType["Patient"].Total() == 6
	})
	must(t, env, "cancel", id.String())
	must(t, env, "resume", "--type", "Encounter")
	var s ledger.Status
	waitFor(t, "the rest to be counted as cancelled", func() bool {
		s = importAccount(t, env, id.String())
		return s.Missing == 0
	})
	if s.State != ledger.StateCancelled || s.Resources.Cancelled == 0 || s.Resources.Inserted == 0 {
		t.Fatalf("not cancelled half-way: %s, %+v", s.State, s.Resources.Counts)
	}
	return id
}
