package source_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/outbound"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/source"
)

// publish sets a page that is answered with 304 where it is as it was.
func (s *supplier) publish(path, content string) {
	s.handle(path, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", fmt.Sprintf(`W/"%s"`, fhirmsg.HashOf([]byte(content))))
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(content))
	})
}

// plain sets a page of a server that tells nothing by which a change could be seen.
func (s *supplier) plain(path, content string) {
	s.handle(path, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(content)) })
}

// pages are the paths that were asked for since the last call.
func (s *supplier) pages() (paths []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.asked {
		paths = append(paths, r.URL.Path)
	}
	s.asked = nil
	return paths
}

// poller is a sync's memory: what is known is kept as JSON.
type poller struct {
	t      *testing.T
	s      *supplier
	cfg    source.Config
	from   fhirmsg.Source
	cursor []byte
}

// poll asks once, and returns the files that are to be imported then, in order; nothing is "unchanged".
func (p *poller) poll() []string {
	p.t.Helper()
	var known *source.Known
	if p.cursor != nil {
		known = new(source.Known)
		if err := json.Unmarshal(p.cursor, known); err != nil {
			p.t.Fatal(err)
		}
	}
	found, err := source.Poll(p.t.Context(), p.from, p.cfg, known)
	if err != nil {
		return []string{"error: " + strings.ReplaceAll(err.Error(), p.s.base, "")}
	}
	if found.Known != nil {
		if p.cursor, err = json.Marshal(found.Known); err != nil {
			p.t.Fatal(err)
		}
	}
	if len(found.Sources) == 0 {
		return []string{"unchanged"}
	}
	var files []string
	for _, from := range found.Sources {
		lines, _ := listing(p.t, from, p.cfg, p.s.base)
		for _, line := range lines {
			if !strings.HasPrefix(line, "skipped ") {
				files = append(files, line)
			}
		}
	}
	return files
}

func (p *poller) want(what string, want ...string) {
	p.t.Helper()
	if diff := cmp.Diff(want, p.poll()); diff != "" {
		p.t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func newPoller(t *testing.T) *poller {
	s := newSupplier(t)
	return &poller{t: t, s: s, cfg: quick(), from: s.manifest()}
}

func files(names ...string) string {
	list := make([]string, len(names))
	for i, name := range names {
		list[i] = fmt.Sprintf(`{"url":"/f/%s"}`, name)
	}
	return strings.Join(list, ",")
}

// TestPollPlain: a manifest is read whole when it has changed, and not at all when it has not.
func TestPollPlain(t *testing.T) {
	t.Parallel()
	p := newPoller(t)
	p.s.publish("/m", `{"output":[`+files("a", "b")+`]}`)
	p.want("first", "/f/a", "/f/b")
	p.s.pages()
	p.want("again", "unchanged")
	if got := p.s.pages(); len(got) != 1 {
		t.Errorf("an unchanged manifest took %v", got)
	}
	p.s.publish("/m", `{"output":[`+files("a", "c")+`]}`)
	p.want("changed", "/f/a", "/f/c")
	p.s.publish("/m", `no manifest`)
	p.want("broken", "error: manifest: not JSON at byte 2")
	p.s.publish("/m", `{"output":[`+files("a", "c")+`]}`)
	p.want("mended", "unchanged")
}

// TestPollWithoutETag: a server that tells neither ETag nor Last-Modified is asked for the content, which tells.
func TestPollWithoutETag(t *testing.T) {
	t.Parallel()
	p := newPoller(t)
	p.s.plain("/m", `{"output":[`+files("a")+`]}`)
	p.want("first", "/f/a")
	p.want("again", "unchanged")
	p.s.plain("/m", `{"output":[`+files("a")+`],"transactionTime":"2026-01-01T00:00:00Z"}`)
	p.want("changed", "/f/a at 1767225600")
}

// TestPollSigned: URLs that are signed anew for each answer are no news where the transaction time is the same.
func TestPollSigned(t *testing.T) {
	t.Parallel()
	p := newPoller(t)
	manifest := func(signature, time string) string {
		return `{"output":[{"url":"f/a?signature=` + signature + `"}],"transactionTime":"` + time + `"}`
	}
	p.s.plain("/m", manifest("x", "2026-01-01T00:00:00Z"))
	p.want("first", "/f/a at 1767225600")
	p.s.plain("/m", manifest("y", "2026-01-01T00:00:00Z"))
	p.want("signed anew", "unchanged")
	p.s.plain("/m", manifest("z", "2026-01-02T00:00:00Z"))
	p.want("made anew", "/f/a at 1767312000")
}

// TestPollLastModified: If-Modified-Since where there is no ETag.
func TestPollLastModified(t *testing.T) {
	t.Parallel()
	p := newPoller(t)
	changed, answers := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), 0
	p.s.handle("/m", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("If-Modified-Since") != changed.Format(http.TimeFormat) {
			answers++
		}
		http.ServeContent(w, r, "", changed, strings.NewReader(`{"output":[`+files("a")+`]}`))
	})
	p.want("first", "/f/a")
	before := answers
	p.want("again", "unchanged")
	if answers != before {
		t.Error("the condition was not sent")
	}
}

// TestPollChain follows a chain as $bulk-publish of the Bulk Data Access IG has it: a snapshot, updates, a page that is
// refreshed, and a chain that is closed.
func TestPollChain(t *testing.T) {
	t.Parallel()
	p := newPoller(t)
	pending, closed := `"link":[{"relation":"next","url":"#pending"}]`, `"link":[{"relation":"next","url":"#closed"}]`
	next := func(page string) string { return `"link":[{"relation":"next","url":"` + page + `"}]` }
	p.s.publish("/m", `{"output":[`+files("snapshot")+`],`+next("/1")+`}`)
	p.s.publish("/1", `{`+pending+`}`)
	p.want("the snapshot", "/f/snapshot")
	p.s.pages()
	p.want("nothing yet", "unchanged")
	if got := p.s.pages(); !cmp.Equal(got, []string{"/1"}) {
		t.Errorf("asked for %v, want the page that is pending", got)
	}
	p.s.publish("/m", `{"output":[`+files("newer-snapshot")+`],`+next("/1")+`}`)
	p.want("a newer snapshot, for those who begin", "unchanged")

	p.s.publish("/1", `{`+next("/2")+`}`)
	p.s.publish("/2", `{"output":[`+files("u1", "u2")+`],"deleted":[`+files("d1")+`],`+pending+`}`)
	p.want("an update", "/f/u1", "/f/u2", "/f/d1 deleted")
	p.s.publish("/2", `{"output":[`+files("u1", "u2")+`],"deleted":[`+files("d1")+`],"transactionTime":"2026-01-01T00:00:00Z",`+pending+`}`)
	p.want("a page that says the same in another way", "unchanged")
	p.s.publish("/2", `{"output":[`+files("u1?sig=2", "u2?sig=2")+`],"deleted":[`+files("d1")+`],`+next("/3")+`}`)
	p.s.publish("/3", `{"output":[`+files("u3")+`],`+next("/4")+`}`)
	p.s.publish("/4", `{"output":[`+files("u4")+`],`+pending+`}`)
	p.want("two pages more", "/f/u3", "/f/u4")

	p.s.publish("/4", `{"output":[`+files("u4", "u5")+`],`+closed+`}`)
	p.s.publish("/m", `{"output":[`+files("another-snapshot")+`],`+next("/10")+`}`)
	p.s.publish("/10", `{"output":[],`+pending+`}`)
	p.want("closed", "/f/u5", "/f/another-snapshot")
	p.want("the new chain", "unchanged")

	p.s.publish("/10", `{"output":[],`+next("/11")+`}`)
	p.want("a page that is not there", "error: the server answered 404 Not Found")
	p.s.publish("/11", `{"output":[`+files("u6")+`],`+pending+`}`)
	p.want("made up", "/f/u6")
	p.s.handle("/11", http.NotFound)
	p.want("the chain is gone", "error: the server answered 404 Not Found")
	p.s.publish("/m", `{"output":[`+files("one-more")+`]}`)
	p.want("a plain manifest instead", "/f/one-more")
	p.want("again", "unchanged")
}

// TestPollGrowing: a manifest that is added to is read behind what was read, in the order that makes sense: what an
// earlier update deleted does not delete what a later one brought back.
func TestPollGrowing(t *testing.T) {
	t.Parallel()
	p := newPoller(t)
	page := func(epoch string, output, deleted []string) {
		p.s.publish("/m", fmt.Sprintf(`{"epochStartTime":"%s","transactionTime":"2026-01-0%dT00:00:00Z","output":[%s],"deleted":[%s]}`,
			epoch, len(output)+len(deleted), files(output...), files(deleted...)))
	}
	const first, second = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"
	strip := func(lines []string) (names []string) {
		for _, line := range lines {
			name, _, _ := strings.Cut(line, " ")
			names = append(names, name)
		}
		return names
	}
	for _, step := range []struct {
		what, epoch     string
		output, deleted []string
		want            []string
	}{
		{"the first", first, []string{"a"}, nil, []string{"/f/a"}},
		{"the same", first, []string{"a"}, nil, []string{"unchanged"}},
		{"a deletion", first, []string{"a"}, []string{"x"}, []string{"/f/x"}},
		{"more", first, []string{"a", "b"}, []string{"x", "y"}, []string{"/f/b", "/f/y"}},
		{"another epoch", second, []string{"c"}, nil, []string{"/f/c"}},
	} {
		page(step.epoch, step.output, step.deleted)
		if diff := cmp.Diff(step.want, strip(p.poll())); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.what, diff)
		}
	}
}

// TestPollTrust: pages of the chain are held to the policy, and what identifies us stays at home, also when the chain
// is followed from a page elsewhere.
func TestPollTrust(t *testing.T) {
	t.Parallel()
	p := newPoller(t)
	other := newSupplier(t)
	p.from.Headers = []fhirmsg.Header{{Name: "Authorization", Value: "Bearer secret"}, {Name: "X-Key", Value: "k"}}
	p.s.publish("/m", `{"output":[],"link":[{"relation":"next","url":"`+other.base+`/1"}]}`)
	other.publish("/1", `{"output":[],"link":[{"relation":"next","url":"#pending"}]}`)
	p.poll()
	other.publish("/1", `{"output":[],"link":[{"relation":"next","url":"/2"}]}`)
	other.publish("/2", `{"output":[{"url":"/f/a"}],"link":[{"relation":"next","url":"#pending"}]}`)
	if got := p.poll(); len(got) != 1 || !strings.HasSuffix(got[0], "/f/a") {
		t.Errorf("got %v", got)
	}
	for _, path := range []string{"/1", "/2"} {
		if h := other.last(path).Header; h.Get("Authorization") != "" || h.Get("X-Key") != "k" {
			t.Errorf("%s was sent %v", path, h)
		}
	}
	if h := p.s.last("/m").Header; h.Get("Authorization") != "Bearer secret" {
		t.Errorf("home was sent %v", h)
	}
	p.cfg.Policy = &outbound.Policy{Prefixes: []string{p.s.base}, InternalHosts: []string{"127.0.0.1"}}
	other.publish("/2", `{"output":[{"url":"/f/a"}]}`)
	if got := p.poll(); !strings.Contains(got[0], "refused by the supplier's policy") {
		t.Errorf("a page elsewhere: %v", got)
	}
}

// TestPollEndless: a chain without an end is given up.
func TestPollEndless(t *testing.T) {
	t.Parallel()
	p := newPoller(t)
	p.s.publish("/m", `{"output":[],"link":[{"relation":"next","url":"/1"}]}`)
	p.s.publish("/1", `{"output":[],"link":[{"relation":"next","url":"/m"}]}`)
	p.want("in a circle", "error: the manifests that follow each other lead back to this one")
}
