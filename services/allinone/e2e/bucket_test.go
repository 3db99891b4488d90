package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/natstest"
	"github.com/stoker-fhir/stoker/pkg/pgtest"
)

// objectStore is a server that speaks S3, with the bucket "deliveries".
type objectStore struct {
	backend *s3mem.Backend
	url     string
	half    *atomic.Value // the key of an object of which nobody gets more than the beginning
}

func newObjectStore(t *testing.T) objectStore {
	t.Helper()
	s := objectStore{backend: s3mem.New(), half: &atomic.Value{}}
	all := gofakes3.New(s.backend).Server()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && r.URL.Path == fmt.Sprint("/deliveries/", s.half.Load()) {
			w = &stalled{ResponseWriter: w, after: 200_000, gone: r.Context().Done()}
		}
		all.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	s.url = server.URL
	if err := s.backend.CreateBucket("deliveries"); err != nil {
		t.Fatal(err)
	}
	return s
}

// stalled is an answer that after so many bytes waits until who asked is gone.
type stalled struct {
	http.ResponseWriter
	after int
	gone  <-chan struct{}
}

func (s *stalled) Write(p []byte) (n int, err error) {
	if s.after > 0 {
		n, err = s.ResponseWriter.Write(p[:min(len(p), s.after)])
		s.after -= n
	}
	if n == len(p) || err != nil {
		return n, err
	}
	_ = http.NewResponseController(s.ResponseWriter).Flush()
	<-s.gone
	return len(p), nil // to nobody
}

// upload puts the files of a folder below a prefix, and returns the keys.
func (s objectStore) upload(t *testing.T, dir, prefix string) (keys []string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.ndjson.gz"))
	if err != nil || len(names) == 0 {
		t.Fatalf("%d files, %v", len(names), err)
	}
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		key := prefix + filepath.Base(name)
		if _, err := s.backend.PutObject("deliveries", key, map[string]string{}, strings.NewReader(string(content)), int64(len(content)), nil); err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
	}
	return keys
}

// endedOf waits until so many imports of a supplier have ended, and returns those that have.
func endedOf(t *testing.T, env []string, supplier string, n int) (all []ledger.Status) {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), databaseURL(t, env))
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	l := ledger.New(pool)
	var list []ledger.Summary
	waitFor(t, fmt.Sprintf("%d imports of %s to end", n, supplier), func() bool {
		if list, err = l.List(t.Context(), supplier, 1000); err != nil {
			t.Fatal(err)
		}
		list = slices.DeleteFunc(list, func(s ledger.Summary) bool { return !s.State.Ended() })
		return len(list) >= n
	})
	for _, one := range list {
		s, err := l.Status(t.Context(), one.Import)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

// TestBucket: what comes to lie in a supplier's bucket is imported by itself, found by a sweep or by an event, and gives what
// an import of it gives; killed in mid-import, nothing is imported twice and nothing is missing.
func TestBucket(t *testing.T) {
	t.Parallel()
	dir := data(t, "suppliers/smart-bulk-10")
	store, home := newObjectStore(t), pgtest.Dir(t)
	queue, _ := startNATS(t, false) // it is not killed
	suppliers := filepath.Join(t.TempDir(), "suppliers.yaml")
	if err := os.WriteFile(suppliers, []byte("suppliers:\n  clinic:\n    bucket: s3://deliveries/clinic/\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	settings := []string{
		"STOKER_SUPPLIERS=" + suppliers, "NATS_URL=" + queue, "STOKER_FETCHER_BUCKET_SWEEP=1h",
		"STOKER_FETCHER_S3_ENDPOINT=" + store.url, "STOKER_FETCHER_S3_ACCESS_KEY=key", "STOKER_FETCHER_S3_SECRET_KEY=hunter2",
	}
	keys := store.upload(t, dir, "clinic/first/")
	store.upload(t, dir, "clinic-b/")                                // is nobody's
	store.half.Store("clinic/first/DocumentReference.000.ndjson.gz") // the largest
	env, p := up(t, home, settings...)
	if early := endedOf(t, env, "clinic", 1); len(early) == len(keys) {
		t.Fatal("an object of which only half was sent was imported")
	}
	p.kill()

	store.half.Store("")
	env, p = up(t, home, settings...) // and sweeps once
	first := endedOf(t, env, "clinic", len(keys))
	direct := importJSON(t, env, dir, "--dataset", "direct")
	byHand := importJSON(t, env, "s3://deliveries/clinic/first", "--dataset", "by-hand")
	if byHand.State != ledger.StateComplete || len(byHand.Files) != len(keys) || byHand.Resources.Counts != direct.Resources.Counts || byHand.Resources.Inserted != 7160 {
		t.Errorf("by hand: %s %s, %d files, %+v; of the folder %+v", byHand.State, byHand.Reason, len(byHand.Files), byHand.Resources.Counts, direct.Resources.Counts)
	}
	sum := func(all []ledger.Status) (lines int64, c ledger.Counts) {
		for _, s := range all {
			wantBalanced(t, "of the bucket", s)
			if s.State != ledger.StateComplete {
				t.Errorf("%s %s", s.State, s.Reason)
			}
			lines += s.Lines.Read
			c.Inserted, c.Updated, c.Unchanged = c.Inserted+s.Resources.Inserted, c.Updated+s.Resources.Updated, c.Unchanged+s.Resources.Unchanged
		}
		return lines, c
	}
	if lines, c := sum(first); lines != direct.Lines.Read || c.Inserted != direct.Resources.Inserted || c.Updated+c.Unchanged != 0 {
		t.Errorf("of the bucket %d lines, %+v; directly %+v, %+v", lines, c, direct.Lines, direct.Resources)
	}

	// The next sweep is an hour away.
	nc := natstest.Connect(t, queue)
	for _, key := range store.upload(t, dir, "clinic/second file+/") {
		event := fmt.Sprintf(`{"EventName":"s3:ObjectCreated:Put","Records":[{"eventName":"s3:ObjectCreated:Put","s3":{"bucket":{"name":"deliveries"},"object":{"key":%q}}}]}`,
			url.QueryEscape(key))
		for range 2 { // stores may repeat themselves
			if err := nc.Publish(fhirmsg.SubjectBucket, []byte(event)); err != nil {
				t.Fatal(err)
			}
		}
	}
	all := endedOf(t, env, "clinic", 2*len(keys))
	if _, c := sum(all); len(all) != 2*len(keys) || c.Inserted != direct.Resources.Inserted || c.Unchanged != direct.Resources.Inserted {
		t.Errorf("twice: %d imports, %+v", len(all), c)
	}
	for _, dataset := range []string{"clinic", "by-hand"} {
		if got, want := digest(t, databaseURL(t, env), dataset), digest(t, databaseURL(t, env), "direct"); got != want {
			t.Errorf("digest of %s %s, of an import of the folder %s", dataset, got, want)
		}
	}
	if strings.Contains(p.output(), "hunter2") {
		t.Error("the log has the secret key")
	}
}
