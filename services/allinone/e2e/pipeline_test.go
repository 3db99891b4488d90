package e2e

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/klauspost/compress/gzip"
	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"github.com/stoker-fhir/stoker/pkg/bus"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/ledgertest"
	"github.com/stoker-fhir/stoker/pkg/pgtest"
)

// pipeline is the three services as processes, on a nats-server and a database.
type pipeline struct {
	t           *testing.T
	env         []string
	databaseURL string
	bus         *bus.Bus
	pool        *pgxpool.Pool
	ledger      *ledger.Ledger
	restartNATS func()
}

func newPipeline(t *testing.T, synced bool) *pipeline {
	t.Helper()
	url, restart := startNATS(t, synced)
	return newPipelineOn(t, url, restart, ledgertest.URL(t))
}

// newPipelineOn is newPipeline on servers that are there.
func newPipelineOn(t *testing.T, url string, restartNATS func(), databaseURL string) *pipeline {
	t.Helper()
	p := &pipeline{t: t, databaseURL: databaseURL, restartNATS: restartNATS}
	p.env = []string{"NATS_URL=" + url, "DATABASE_URL=" + p.databaseURL, "STOKER_LISTEN=127.0.0.1:0"}
	nc, err := bus.Connect(url, "test", zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	if p.bus, err = bus.New(nc, zerolog.Nop()); err != nil {
		t.Fatal(err)
	}
	if p.pool, err = pgxpool.New(t.Context(), p.databaseURL); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.pool.Close)
	p.ledger = ledger.New(p.pool)
	return p
}

func (p *pipeline) start(name string, env ...string) *process {
	p.t.Helper()
	return start(p.t, append(slices.Clone(p.env), env...), name)
}

// request asks for an import over NATS.
func (p *pipeline) request(req fhirmsg.ImportRequest) fhirmsg.ImportID {
	p.t.Helper()
	var err error
	if req.ID, err = fhirmsg.NewImportID(time.Now(), rand.Reader); err != nil {
		p.t.Fatal(err)
	}
	req = req.WithDefaults()
	msg, err := req.Encode()
	if err != nil {
		p.t.Fatal(err)
	}
	waitFor(p.t, "the streams", func() bool {
		_, err := p.bus.Backlog(p.t.Context(), fhirmsg.StreamOperator)
		return err == nil
	})
	if err := p.bus.Publish(p.t.Context(), fhirmsg.FetchSubject(req.Supplier), req.MessageID(), msg); err != nil {
		p.t.Fatal(err)
	}
	return req.ID
}

// wait waits until an import is at its end.
func (p *pipeline) wait(id fhirmsg.ImportID) ledger.Status {
	p.t.Helper()
	waitFor(p.t, "the import's end", func() bool { // not its account each time: that takes as long as storing a chunk
		var state ledger.State
		err := p.pool.QueryRow(p.t.Context(), `SELECT state FROM stoker.import WHERE id = $1`, [16]byte(id)).Scan(&state)
		return err == nil && state.Ended()
	})
	s, err := p.ledger.Status(p.t.Context(), id)
	if err != nil {
		p.t.Fatal(err)
	}
	return s
}

// referenceDigest is what the all-in-one makes of a path.
func referenceDigest(t *testing.T, path string) string {
	t.Helper()
	env, dataset := shared(t), ownDataset(t)+"-reference"
	s := importJSON(t, env, "--dataset", dataset, path)
	wantBalanced(t, "all-in-one", s)
	return digest(t, databaseURL(t, env), dataset)
}

// TestSeparateProcesses: the three programs against a nats-server and PostgreSQL give what the
// all-in-one gives.
func TestSeparateProcesses(t *testing.T) {
	t.Parallel()
	path := data(t, "suppliers/smart-bulk-10")
	p := newPipeline(t, false)
	for _, name := range []string{"fetcher", "parser", "writer"} {
		p.start(name)
	}
	s := p.wait(p.request(fhirmsg.ImportRequest{Sources: []fhirmsg.Source{{Path: path}}}))
	wantBalanced(t, "separate processes", s)
	if s.State != ledger.StateComplete || s.Resources.Inserted != 7160 {
		t.Errorf("%s: %s, inserted %d", s.State, s.Reason, s.Resources.Inserted)
	}
	if got, want := digest(t, p.databaseURL, "fhir"), referenceDigest(t, path); got != want {
		t.Errorf("digest %s, the all-in-one's is %s", got, want)
	}
}

// converterLines are the lines of the supplier with many versions of one id.
func converterLines(t *testing.T) []string {
	t.Helper()
	var lines []string
	files, err := filepath.Glob(filepath.Join(data(t, "suppliers/ms-fhir-converter-output"), "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		if _, err := z.WriteTo(&b); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")...)
	}
	return lines
}

// shuffledFile is a file with the lines of another in random order.
type shuffledFile struct {
	path string
	last string // what must be stored of it
}

func shuffled(t *testing.T, lines []string, n int) []shuffledFile {
	t.Helper()
	files := make([]shuffledFile, n)
	dir := t.TempDir()
	for i := range files {
		mine := slices.Clone(lines)
		random := mathrand.New(mathrand.NewPCG(uint64(i), 1))
		random.Shuffle(len(mine), func(a, b int) { mine[a], mine[b] = mine[b], mine[a] })
		files[i] = shuffledFile{path: filepath.Join(dir, fmt.Sprintf("shuffle%d.ndjson", i)), last: lastLines(t, mine)}
		if err := os.WriteFile(files[i].path, []byte(strings.Join(mine, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// TestSameRowsWhateverTheOrder: one and four of each service, small chunks and large ones,
// redelivery, five shuffles of the file: for each shuffle the rows are those of its last
// lines.
func TestSameRowsWhateverTheOrder(t *testing.T) {
	t.Parallel()
	shuffles := shuffled(t, converterLines(t), 5)
	digests := make([]map[string]bool, len(shuffles))
	for i := range digests {
		digests[i] = map[string]bool{}
	}
	p := newPipeline(t, false)
	p.start("fetcher")
	running := 0
	for _, services := range []int{1, 4} {
		for ; running < services; running++ {
			p.start("parser")
			p.start("writer")
		}
		imports := p.importShuffled(services, shuffles)
		accounts := make([]ledger.Status, len(imports))
		for n, i := range imports {
			accounts[n] = p.wait(i.id)
			wantBalanced(t, i.dataset, accounts[n])
			if got := storedLines(t, p.databaseURL, i.dataset); got != shuffles[i.shuffle].last {
				t.Errorf("%s: stored lines differ from the last lines of the file:\n%s\nwant\n%s", i.dataset, got, shuffles[i.shuffle].last)
			}
			digests[i.shuffle][digest(t, p.databaseURL, i.dataset)] = true
		}
		p.redeliver()
		for n, i := range imports {
			digests[i.shuffle][digest(t, p.databaseURL, i.dataset)] = true
			if again, err := p.ledger.Status(t.Context(), i.id); err != nil || again.Resources != accounts[n].Resources {
				t.Errorf("%s: redelivery changed the account: %+v, before %+v (%v)", i.dataset, again.Resources, accounts[n].Resources, err)
			}
		}
		if err := p.bus.Purge(t.Context(), fhirmsg.StreamResources); err != nil { // or the next delivers those before again
			t.Fatal(err)
		}
	}
	for i, all := range digests {
		if len(all) != 1 {
			t.Errorf("shuffle %d: %d digests, want one whatever the number of services and the chunk size: %v", i, len(all), all)
		}
	}
}

// shuffledImport is an import of a shuffle into a dataset of its own.
type shuffledImport struct {
	id      fhirmsg.ImportID
	dataset string
	shuffle int
}

// importShuffled asks for imports of all shuffles, in small chunks and in large ones, at once, so that their batches mix.
func (p *pipeline) importShuffled(services int, shuffles []shuffledFile) (imports []shuffledImport) {
	p.t.Helper()
	for _, size := range []int{4 << 10, 512 << 10} {
		for n, s := range shuffles {
			dataset := fmt.Sprintf("d%d-%d-%d", services, size, n)
			id := p.request(fhirmsg.ImportRequest{Dataset: dataset, ChunkSize: size, Sources: []fhirmsg.Source{{Path: s.path}}})
			imports = append(imports, shuffledImport{id, dataset, n})
		}
	}
	return imports
}

// redeliver has the writers read the whole stream of resources again.
func (p *pipeline) redeliver() {
	p.t.Helper()
	if err := p.bus.Rewind(p.t.Context(), []string{"Location", "Organization", "Practitioner", "Observation", "Patient"}); err != nil {
		p.t.Fatal(err)
	}
	waitFor(p.t, "the redelivered messages", func() bool {
		left, err := p.bus.Backlog(p.t.Context(), fhirmsg.StreamResources)
		if err != nil {
			return false
		}
		for _, n := range left {
			if n > 0 {
				return false
			}
		}
		return true
	})
}

// lastLines is "type/id line" of the last line of each key.
func lastLines(t *testing.T, lines []string) string {
	t.Helper()
	last := map[string]int{}
	for i, line := range lines {
		var r struct{ ResourceType, ID string }
		if err := json.Unmarshal([]byte(line), &r); err != nil || r.ID == "" {
			continue
		}
		last[strings.ToLower(r.ResourceType)+"/"+r.ID] = i + 1
	}
	var keys []string
	for key, line := range last {
		keys = append(keys, fmt.Sprintf("%s %d", key, line))
	}
	slices.Sort(keys)
	return strings.Join(keys, "\n")
}

// storedLines is the same from the tables.
func storedLines(t *testing.T, url, dataset string) string {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	rows, err := pool.Query(t.Context(), `SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
		WHERE nspname = $1 AND relkind = 'r' AND relname <> 'tombstone' AND relname NOT LIKE '%\_history'`, dataset)
	if err != nil {
		t.Fatal(err)
	}
	var tables []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		tables = append(tables, name)
	}
	var keys []string
	for _, table := range tables {
		rows, err := pool.Query(t.Context(), fmt.Sprintf(`SELECT '%s/' || id || ' ' || line FROM %q.%q`, table, dataset, table))
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var key string
			if err := rows.Scan(&key); err != nil {
				t.Fatal(err)
			}
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return strings.Join(keys, "\n")
}

// TestKillEachService: one kill -9 of each service in mid-import, and one of the nats-server.
// The import ends complete, nothing is missing, and the rows are the same.
func TestKillEachService(t *testing.T) {
	t.Parallel()
	dir := generated(t, 20, 7)
	want := referenceDigest(t, dir)
	for _, victim := range []string{"fetcher", "parser", "writer", "nats-server"} {
		t.Run(victim, func(t *testing.T) {
			t.Parallel()
			p := newPipeline(t, true)
			services := map[string]*process{}
			for _, name := range []string{"fetcher", "parser", "writer"} {
				services[name] = p.start(name)
			}
			id := p.request(fhirmsg.ImportRequest{ChunkSize: 16 << 10, Sources: []fhirmsg.Source{{Path: dir}}})
			waitFor(t, "the import to be under way", func() bool {
				s, err := p.ledger.Status(t.Context(), id)
				return err == nil && s.Resources.Inserted > 500
			})
			if victim == "nats-server" {
				p.restartNATS()
			} else {
				services[victim].kill()
				p.start(victim)
			}
			s := p.wait(id)
			wantBalanced(t, "after the kill", s)
			if s.State != ledger.StateComplete {
				t.Errorf("%s: %s", s.State, s.Reason)
			}
			if got := digest(t, p.databaseURL, "fhir"); got != want {
				t.Errorf("digest %s, without a kill %s", got, want)
			}
		})
	}
}

// TestKillAllInOne: kill -9 of `stoker up` in mid-import; the next one goes on.
func TestKillAllInOne(t *testing.T) {
	t.Parallel()
	dir, home := generated(t, 30, 7), pgtest.Dir(t)
	env, first := up(t, home, ownPostgreSQL)
	r := stoker(t, env, "", "import", "--no-wait", "--chunk-size", "16384", dir)
	id := strings.TrimSpace(r.stdout)
	waitFor(t, "the import to be under way", func() bool {
		return importAccount(t, env, id).Resources.Inserted > 500
	})
	first.kill()
	env, _ = up(t, home, ownPostgreSQL)
	s := untilEnded(t, env, id)
	wantBalanced(t, "after the kill", s)
	if s.State != ledger.StateComplete {
		t.Errorf("%s: %s", s.State, s.Reason)
	}
	if got, want := digest(t, databaseURL(t, env), "fhir"), referenceDigest(t, dir); got != want {
		t.Errorf("digest %s, without a kill %s", got, want)
	}
}

// TestMisspeltVariable: a setting that does not exist is refused, with the one that was meant.
func TestMisspeltVariable(t *testing.T) {
	t.Parallel()
	var wg sync.WaitGroup
	for _, name := range []string{"fetcher", "parser", "writer"} {
		wg.Go(func() {
			p := start(t, []string{"NATS_URL=" + nats.DefaultURL, "DATABASE_URL=postgres://x", "STOKER_LOG_LEVLE=debug"}, name)
			<-p.done
			if p.cmd.ProcessState.Success() || !strings.Contains(p.output(), "did you mean STOKER_LOG_LEVEL") {
				t.Errorf("%s printed %s", name, p.output())
			}
		})
	}
	wg.Wait()
	if r := stoker(t, []string{"STOKER_DATADIR=x"}, "", "status"); r.code != 2 || !strings.Contains(r.stderr, "STOKER_DATA_DIR") {
		t.Errorf("stoker ended with %d: %s", r.code, r.stderr)
	}
}
