package fetcher

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stoker-fhir/stoker/pkg/bus"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// bulkServer is one with a manifest in two pages and its files.
type bulkServer struct {
	mu    sync.Mutex
	files map[string]string
	asked map[string]int
}

func (p *bulkServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked[r.URL.Path]++
	content, ok := p.files[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("ETag", fmt.Sprintf(`"%d"`, len(content)))
	http.ServeContent(w, r, "", time.Time{}, strings.NewReader(content))
}

func (p *bulkServer) put(path, content string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.files[path] = content
}

func patients(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "{\"resourceType\":\"Patient\",\"id\":\"%d\"}\n", i)
	}
	return b.String()
}

func newBulkServer(t *testing.T) (base string, p *bulkServer) {
	t.Helper()
	p = &bulkServer{asked: map[string]int{}, files: map[string]string{
		"/m": `{"transactionTime":"2026-01-01T00:00:00Z","output":[{"type":"Patient","url":"a","count":500}],"error":[{"url":"problems","count":2}],
			"link":[{"relation":"next","url":"/2"}]}`,
		"/2": `{"transactionTime":"2026-01-02T00:00:00Z","output":[{"url":"missing"}],"deleted":[{"type":"Bundle","url":"gone","count":1}]}`,
		"/a": patients(500), "/problems": "{}\n{}\n",
		"/gone": `{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"DELETE","url":"Patient/1"}}]}` + "\n",
	}}
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	return server.URL, p
}

func manifestRequest(t *testing.T, base string) fhirmsg.ImportRequest {
	t.Helper()
	id, err := fhirmsg.NewImportID(time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return fhirmsg.ImportRequest{
		ID: id, Mode: fhirmsg.ModeSync, ChunkSize: fhirmsg.MinChunkSize, Sources: []fhirmsg.Source{{Manifest: base + "/m"}},
	}.WithDefaults()
}

// chunks takes all chunks out of the queue, in the order of their places in their files.
func (f *fetcher) chunks(t *testing.T) (all []fhirmsg.Chunk) {
	t.Helper()
	backlog, err := f.deps.Bus.Backlog(t.Context(), fhirmsg.StreamChunks)
	if err != nil {
		t.Fatal(err)
	}
	want := 0
	for _, n := range backlog {
		want += int(n)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	f.deps.Bus.ConsumeChunks(ctx, bus.ConsumeOptions{Workers: 1, Grace: time.Second},
		func(_ context.Context, messages []bus.Message) error {
			for _, m := range messages {
				c, err := fhirmsg.DecodeChunk(m.Data, nil)
				if err != nil {
					t.Error(err)
				}
				c.Body = bytes.Clone(c.Body)
				all = append(all, c)
			}
			if len(all) >= want {
				cancel()
			}
			return nil
		})
	slices.SortFunc(all, func(a, b fhirmsg.Chunk) int { return int(a.Offset - b.Offset) })
	return all
}

// published takes all chunks out of the queue: for each file its content, and what its headers say.
func (f *fetcher) published(t *testing.T, files int) (content []string, headers []string, chunks int) {
	t.Helper()
	all := f.chunks(t)
	content, headers = make([]string, files), make([]string, files)
	for _, c := range all {
		content[c.File] += string(c.Body)
		headers[c.File] = fmt.Sprintf("type %q outcome %v", c.Type, c.Outcome)
		if c.AsOf != nil {
			headers[c.File] += " as of " + time.UnixMicro(*c.AsOf).UTC().Format(time.DateOnly)
		}
		if c.Subsetted != nil {
			headers[c.File] += fmt.Sprintf(" incomplete %v", c.Subsetted)
		}
	}
	return content, headers, len(all)
}

// TestManifest: every file of every page is published as what it is, and what is missing fails.
func TestManifest(t *testing.T) {
	t.Parallel()
	f, _ := newFetcher(t)
	base, p := newBulkServer(t)
	req := manifestRequest(t, base)
	if err := f.fetch(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	content, headers, _ := f.published(t, 4)
	if want := []string{p.files["/a"], p.files["/problems"], "", p.files["/gone"]}; !cmp.Equal(content, want) {
		t.Errorf("content: %d, %d, %d and %d bytes", len(content[0]), len(content[1]), len(content[2]), len(content[3]))
	}
	wantHeaders := []string{
		`type "Patient" outcome false as of 2026-01-01`, `type "" outcome true as of 2026-01-01`, "", `type "" outcome false as of 2026-01-02`,
	}
	if diff := cmp.Diff(wantHeaders, headers); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	s, err := f.ledger.Status(t.Context(), req.ID)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, file := range s.Files {
		got = append(got, fmt.Sprintf("%s %s %s %d %s", strings.TrimPrefix(file.Name, base), file.Kind, file.State, file.Lines, file.Reason))
	}
	want := []string{
		"/a  closed 500 ", "/problems outcome closed 2 ", "/missing  failed 0 open: the server answered 404 Not Found", "/gone deleted closed 1 ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// TestManifestIsResumed: whoever follows a fetcher that died works on the list that is stored, whatever
// the manifest says by then, and publishes each chunk once.
func TestManifestIsResumed(t *testing.T) {
	t.Parallel()
	f, pool := newFetcher(t)
	base, p := newBulkServer(t)
	p.put("/missing", "")
	req := manifestRequest(t, base)
	if err := f.fetch(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	first, err := f.ledger.Status(t.Context(), req.ID)
	if err != nil {
		t.Fatal(err)
	}
	if first.State != ledger.StateDraining || first.Lines.Read != 503 {
		t.Fatalf("%s, lines %+v", first.State, first.Lines)
	}
	// As if it had died in the middle of the first file.
	_, err = pool.Exec(t.Context(), `
		WITH forgotten AS (DELETE FROM stoker.fetched WHERE import = $1 AND (file > 0 OR off > 5000)),
			opened AS (UPDATE stoker.file SET state = CASE WHEN file = 0 THEN 'open' ELSE 'waiting' END,
				reading = CASE WHEN file = 0 THEN reading END WHERE import = $1)
		UPDATE stoker.import SET state = 'fetching', closed = NULL WHERE id = $1`, [16]byte(req.ID))
	if err != nil {
		t.Fatal(err)
	}
	p.put("/m", `{"output":[{"url":"another"}]}`)
	if err := f.fetch(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	again, err := f.ledger.Status(t.Context(), req.ID)
	if err != nil {
		t.Fatal(err)
	}
	again.Seconds, first.Seconds = 0, 0
	if diff := cmp.Diff(first, again); diff != "" {
		t.Errorf("the account (-first +resumed):\n%s", diff)
	}
	content, _, chunks := f.published(t, 4)
	if content[0] != p.files["/a"] || content[3] != p.files["/gone"] || int64(chunks) != first.Files[0].Chunks+2 {
		t.Errorf("published %d chunks, %d bytes of the first file", chunks, len(content[0]))
	}
	if p.asked["/m"] != 1 || p.asked["/another"] != 0 {
		t.Errorf("asked %v", p.asked)
	}
}
