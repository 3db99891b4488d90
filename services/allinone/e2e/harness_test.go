package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/ledgertest"
	"github.com/stoker-fhir/stoker/pkg/natsd"
	"github.com/stoker-fhir/stoker/pkg/pgtest"
	"github.com/stoker-fhir/stoker/services/allinone/internal/bench"
)

// deadline is how long anything may take before a test fails.
const deadline = 3 * time.Minute

// data returns a folder of the data beside the repository. Without it the test fails.
func data(t *testing.T, name string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.work above the test")
		}
		dir = filepath.Dir(dir)
	}
	path := filepath.Join(filepath.Dir(dir), "shared", "data", name)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("the test needs the data beside the repository: %v", err)
	}
	return path
}

// process is a program that runs.
type process struct {
	t    *testing.T // nil: of all tests
	name string
	cmd  *exec.Cmd
	done chan struct{}

	mu  sync.Mutex
	log bytes.Buffer
}

// Write keeps what the program prints.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.Write(b)
}

func (p *process) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// launch runs a program.
func launch(env []string, name string, args ...string) (*process, error) {
	p := &process{name: name, done: make(chan struct{})}
	p.cmd = exec.Command(filepath.Join(programs, name), args...)
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = p, p
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait() // the exit code is in ProcessState
	}()
	return p, nil
}

// start runs a program until the test ends.
func start(t *testing.T, env []string, name string, args ...string) *process {
	t.Helper()
	p, err := launch(env, name, args...)
	if err != nil {
		t.Fatal(err)
	}
	p.t = t
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			t.Logf("%s printed:\n%s", name, p.output())
		}
	})
	return p
}

// stop ends the program as an operator would.
func (p *process) stop() {
	if err := p.end(); err != nil {
		p.t.Error(err)
	}
}

// end asks the program to end. When it does not, it is asked what it waits for, and killed.
func (p *process) end() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-p.done:
		return nil
	case <-time.After(40 * time.Second):
		_ = p.cmd.Process.Signal(syscall.SIGQUIT) // has the stacks of all goroutines printed
		select {
		case <-p.done:
		case <-time.After(5 * time.Second):
			p.kill()
		}
		return fmt.Errorf("%s did not stop; it printed:\n%s", p.name, p.output())
	}
}

// kill ends the program as a failing machine would.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.done
}

// peak is the most memory that the program had so far, in bytes.
func (p *process) peak() int64 {
	p.t.Helper()
	most := bench.Peak(p.cmd.Process.Pid)
	if most == 0 {
		p.t.Fatalf("%s has ended", p.name)
	}
	return most
}

// freePort returns an address that was free a moment ago, and that nothing gets by accident.
func freePort(t *testing.T) string {
	t.Helper()
	address, err := natsd.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	return address
}

// startNATS runs a real nats-server. synced is as in production: to disk before each
// acknowledgement, without which a kill could lose what was acknowledged.
func startNATS(t *testing.T, synced bool) (url string, restart func()) {
	t.Helper()
	return startNATSIn(t, t.TempDir(), synced)
}

// natsConf is the name of the configuration in the server's folder.
const natsConf = "nats.conf"

// startNATSIn is startNATS in a given folder. The limit keeps the server from taking one from the size of the disk.
func startNATSIn(t *testing.T, dir string, synced bool) (url string, restart func()) {
	t.Helper()
	addr := freePort(t)
	conf := filepath.Join(dir, natsConf)
	interval := "2m"
	if synced {
		interval = "always"
	}
	content := fmt.Sprintf("listen: %q\njetstream { store_dir: %q, sync_interval: %s, max_file_store: 64GB }\n", addr, filepath.Join(dir, "js"), interval)
	if err := os.WriteFile(conf, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	server := start(t, nil, "nats-server", "-c", conf)
	waitForPort(t, addr)
	return "nats://" + addr, func() {
		server.kill()
		server = start(t, nil, "nats-server", "-c", conf)
		waitForPort(t, addr)
	}
}

func waitForPort(t *testing.T, addr string) {
	t.Helper()
	waitFor(t, "a server at "+addr, func() bool {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return false
		}
		_ = conn.Close() // only looked
		return true
	})
}

// waitFor asks until ok, or fails the test. The longer it has waited, the more seldom it asks, since each question takes
// time from what is waited for.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	const soonest, latest = 10 * time.Millisecond, 100 * time.Millisecond
	began := time.Now()
	for !ok() {
		waited := time.Since(began)
		if waited > deadline {
			t.Fatalf("waited in vain for %s", what)
		}
		<-time.After(min(max(waited/10, soonest), latest))
	}
}

// result is how a command ended.
type result struct {
	stdout, stderr string
	code           int
}

// stoker runs a command to its end.
func stoker(t *testing.T, env []string, stdin string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(programs, "stoker"), args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// importJSON imports with --json and returns the account.
func importJSON(t *testing.T, env []string, args ...string) ledger.Status {
	t.Helper()
	r := stoker(t, env, "", append([]string{"import", "--json"}, args...)...)
	var s ledger.Status
	if err := json.Unmarshal([]byte(r.stdout), &s); err != nil {
		t.Fatalf("import %v ended with %d, and not with JSON: %v\n%s\n%s", args, r.code, err, r.stdout, r.stderr)
	}
	return s
}

// wantBalanced holds both equations of the ledger.
func wantBalanced(t *testing.T, what string, s ledger.Status) {
	t.Helper()
	l, r := s.Lines, s.Resources
	if l.Read != l.Blank+l.Control+l.Rejected+l.Plain+l.Bundles {
		t.Errorf("%s: lines do not balance: %+v", what, l)
	}
	if r.Seen != r.Ignored+r.Total() {
		t.Errorf("%s: resources do not balance: %+v", what, r)
	}
	if s.Missing != 0 || s.Divergent != 0 {
		t.Errorf("%s: missing %d, divergent %d", what, s.Missing, s.Divergent)
	}
}

// up runs `stoker up` on a data folder, and returns the environment of its clients. Unless told otherwise it uses a
// database of the server that tests share, one for each folder.
func up(t *testing.T, dir string, env ...string) (clients []string, p *process) {
	t.Helper()
	if slices.Contains(env, ownPostgreSQL) {
		pgtest.Cluster(t, filepath.Join(dir, "postgres"))
	} else if !slices.ContainsFunc(env, func(v string) bool { return strings.HasPrefix(v, "DATABASE_URL=") }) {
		env = append(env, "DATABASE_URL="+databaseOf(t, dir))
	}
	addr := freePort(t)
	p = start(t, append(env, "STOKER_DATA_DIR="+dir, "STOKER_LISTEN="+addr), "stoker", "up")
	waitFor(t, "stoker up", func() bool { return isUp(p) || exited(p) })
	if exited(p) {
		t.Fatalf("stoker up ended: %s", p.output())
	}
	return []string{"STOKER_URL=http://" + addr, "STOKER_DATA_DIR=" + dir}, p
}

// ownPostgreSQL has `stoker up` bring a server of its own, as it does where nothing is configured; but on data that is there
// already.
const ownPostgreSQL = "DATABASE_URL="

func isUp(p *process) bool { return strings.Contains(p.output(), "stoker is up") }

// databases are the databases of data folders.
var databases sync.Map

func databaseOf(t *testing.T, dir string) string {
	t.Helper()
	if url, ok := databases.Load(dir); ok {
		return url.(string)
	}
	url := ledgertest.URL(t)
	databases.Store(dir, url)
	return url
}

// importAccount asks for an import's account, which is empty until the import is accepted. It asks over HTTP: a command for
// each look in a loop would be a program's start each time.
func importAccount(t *testing.T, env []string, id string) (s ledger.Status) {
	t.Helper()
	resp, err := http.Get(strings.TrimPrefix(env[0], "STOKER_URL=") + "/imports/" + id)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	if resp.StatusCode == http.StatusNotFound {
		return s
	}
	if err := json.NewDecoder(resp.Body).Decode(&s); err != nil {
		t.Fatalf("the account of %s: %s: %v", id, resp.Status, err)
	}
	return s
}

// untilEnded waits for an import's end.
func untilEnded(t *testing.T, env []string, id string) (s ledger.Status) {
	t.Helper()
	waitFor(t, "the import's end", func() bool { s = importAccount(t, env, id); return s.State.Ended() })
	return s
}

func exited(p *process) bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// databaseURL asks a running stoker for its database.
func databaseURL(t *testing.T, env []string) string {
	t.Helper()
	r := stoker(t, env, "", "database-url")
	if r.code != 0 {
		t.Fatalf("database-url: %s", r.stderr)
	}
	return strings.TrimSpace(r.stdout)
}

// digest is over type, id, deleted and resource of everything in a dataset.
func digest(t *testing.T, url, dataset string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background()) //nolint:errcheck // only read
	rows, err := conn.Query(t.Context(), `SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = $1 AND c.relkind = 'r' AND c.relname <> 'tombstone' AND c.relname NOT LIKE '%\_history' ORDER BY 1`, dataset)
	if err != nil {
		t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	if len(tables) == 0 {
		return "empty"
	}
	var parts []string
	for _, table := range tables {
		parts = append(parts, fmt.Sprintf(`SELECT '%s' AS type, id, false AS deleted, resource::text FROM %s`, table, pgx.Identifier{dataset, table}.Sanitize()))
	}
	parts = append(parts, `SELECT lower(type), id, true, '' FROM `+pgx.Identifier{dataset, "tombstone"}.Sanitize())
	var sum string
	sql := `SELECT count(*) || ' ' || coalesce(md5(string_agg(md5(type || '|' || id || '|' || deleted || '|' || resource), '' ORDER BY type, id COLLATE "C", deleted)), '')
		FROM (` + strings.Join(parts, " UNION ALL ") + `) all_rows`
	if err := conn.QueryRow(t.Context(), sql).Scan(&sum); err != nil {
		t.Fatal(err)
	}
	return sum
}
