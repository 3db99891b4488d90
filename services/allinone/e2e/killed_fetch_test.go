package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stoker-fhir/stoker/pkg/exporttest"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/pgtest"
	"github.com/stoker-fhir/stoker/services/allinone/internal/client"
)

// pulled is how many patients a file has: lines of 4 KiB, so that half of it is more than a chunk.
const pulled = 1300

func pulledLines() string {
	var b strings.Builder
	for i := range pulled {
		fmt.Fprintf(&b, "{\"resourceType\":\"Patient\",\"id\":\"%d\",\"name\":[{\"text\":%q}]}\n", i, strings.Repeat("x", 4<<10))
	}
	return b.String()
}

// halfServer serves one file under many names, with a manifest of each. The first request for a file gets half of it, and nothing
// more for as long as it waits.
type halfServer struct {
	url, content string

	mu    sync.Mutex
	asked map[string][]string // headers Range of the requests for a file
}

func newHalfServer(t *testing.T, content string) *halfServer {
	t.Helper()
	s := &halfServer{content: content, asked: map[string][]string{}}
	server := httptest.NewServer(s)
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	s.url = server.URL
	return s
}

func (s *halfServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if name, ok := strings.CutPrefix(r.URL.Path, "/manifest/"); ok {
		_, _ = fmt.Fprintf(w, `{"transactionTime":"2026-03-01T00:00:00Z","requiresAccessToken":false,"output":[{"type":"Patient","url":"/file/%s","count":%d}]}`, name, pulled)
		return
	}
	s.mu.Lock()
	first := len(s.asked[r.URL.Path]) == 0
	s.asked[r.URL.Path] = append(s.asked[r.URL.Path], r.Header.Get("Range"))
	s.mu.Unlock()
	w.Header().Set("ETag", `"1"`)
	if !first {
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(s.content))
		return
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(s.content)))
	_, _ = w.Write([]byte(s.content[:len(s.content)/2]))
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

// TestKilledInMidFetch: kill -9 while files are fetched in each way in which Stoker asks for them, in the middle of a file, and while an export
// is polled. What follows goes on where it was, and nothing is there twice or missing. (Syncs, buckets, the drop folder, uploads and NATS are killed
// in their own tests.)
func TestKilledInMidFetch(t *testing.T) {
	t.Parallel()
	content := pulledLines()
	s := newHalfServer(t, content)
	resources, err := exporttest.Read(strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	exported := exporttest.New(t, exporttest.Options{Resources: resources, Deleted: []string{"Patient/not-there"}, Time: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), Hold: true})
	home := pgtest.Dir(t)
	env, p := up(t, home)
	base := strings.TrimPrefix(env[0], "STOKER_URL=")
	exportOf := func(url, kind string) string {
		return `{"resourceType":"Parameters","parameter":[{"name":"exportUrl","valueUrl":"` + url + `"},{"name":"exportType","valueCode":"` + kind + `"}]}`
	}
	ids := map[string]fhirmsg.ImportID{}
	for way, request := range map[string]struct{ operation, body string }{
		"static":    {"$import", exportOf(s.url+"/manifest/static", "static")},
		"listed":    {"$import", listed(s.url + "/file/listed")},
		"dynamic":   {"$import", exportOf(exported.URL+"/$export", "dynamic")},
		"submitted": {"$bulk-submit", (&submitterOf{id: "s", baseURL: s.url}).request((&submitterOf{baseURL: s.url}).ballot("/manifest/submitted") + says("http://hl7.org/fhir/event-status", "completed"))},
	} {
		resp, body := asked(t, http.MethodPost, base+"/fhir/"+way+"/"+request.operation, request.body)
		found := regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}`).FindString(resp.Header.Get("Content-Location") + body)
		if ids[way], err = fhirmsg.ParseImportID(found); err != nil || resp.StatusCode >= 300 {
			t.Fatalf("%s: %d %s", way, resp.StatusCode, body)
		}
	}
	status := func(way string) (s ledger.Status) {
		s, err := client.New(base, "").Status(t.Context(), ids[way])
		if err != nil {
			return ledger.Status{}
		}
		return s
	}
	inMidFile := func(ways ...string) {
		t.Helper()
		for _, way := range ways {
			waitFor(t, way+" to be in the middle of a file", func() bool { return status(way).Resources.Inserted > 0 })
		}
	}
	inMidFile("static", "listed", "submitted")
	waitFor(t, "the export to be polled", func() bool { return len(exported.Asked(exporttest.Status)) > 1 })
	select {
	case <-exported.Halt(exporttest.Status): // while it is polled, and held by who polls it
	case <-time.After(deadline):
		t.Fatal("the export is not polled any more")
	}
	p.kill()
	exported.Stall(0)
	exported.Set(func(o *exporttest.Options) { o.Hold = false })
	env, p = up(t, home)
	base = strings.TrimPrefix(env[0], "STOKER_URL=")
	inMidFile("dynamic")
	p.kill()
	exported.Release()
	env, _ = up(t, home)
	base = strings.TrimPrefix(env[0], "STOKER_URL=")

	digests := map[string]string{}
	for way := range ids {
		waitFor(t, "the end of "+way, func() bool { return status(way).State.Ended() })
		got := status(way)
		wantBalanced(t, way, got)
		deleted := int64(0)
		if way == "dynamic" {
			deleted = 1
		}
		if r := got.Resources; got.State != ledger.StateComplete || r.Inserted != pulled || r.Deleted != deleted || r.Seen != pulled+deleted {
			t.Errorf("%s: %s %s, %+v", way, got.State, got.Reason, r)
		}
		for _, f := range got.Files {
			if f.Differs {
				t.Errorf("%s: %s has %d lines, announced are %d", way, f.Name, f.Lines, *f.Announced)
			}
		}
		if at := got.TransactionTime; way != "listed" && (at == nil || at.Year() != 2026) {
			t.Errorf("%s: transaction time %v", way, at)
		}
		digests[way] = strings.TrimPrefix(digest(t, databaseURL(t, env), way), fmt.Sprint(pulled+deleted, " "))
	}
	if digests["listed"] == "" || digests["static"] != digests["listed"] || digests["submitted"] != digests["listed"] {
		t.Errorf("digests %v", digests)
	}
	waitFor(t, "the export to be removed", func() bool { _, there := exported.Jobs(); return there == 0 })
	if begun, _ := exported.Jobs(); begun != 1 {
		t.Errorf("%d exports were begun", begun)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for path, ranges := range s.asked {
		if len(ranges) < 2 || ranges[0] != "" || ranges[1] == "" {
			t.Errorf("%s was asked for with the ranges %q; the second is to go on where the first was", path, ranges)
		}
	}
}
