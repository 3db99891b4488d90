package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// serve is the hostile supplier's server.
func (h *hostile) serve() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", h.forbidden)
	mux.HandleFunc("/bulk/to", func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Location"] = []string{r.URL.Query().Get("url")}
		w.WriteHeader(http.StatusFound)
	})
	mux.HandleFunc("/bulk/loop", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "loop", http.StatusFound) })
	mux.HandleFunc("/bulk/listing", func(w http.ResponseWriter, r *http.Request) {
		var files []string
		for _, u := range forbiddenURLs(h) {
			files = append(files, fmt.Sprintf(`{"type":"Patient","url":%q}`, u))
		}
		_, _ = fmt.Fprintf(w, `{"transactionTime":"2026-01-01T00:00:00Z","requiresAccessToken":false,"output":[%s],"link":[{"relation":"next","url":%q}]}`,
			strings.Join(files, ","), h.inside+"/next")
	})
	mux.HandleFunc("/bulk/endless", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `{"output":[],"link":[{"relation":"next","url":"endless?`+r.URL.RawQuery+`i"}]}`)
	})
	mux.HandleFunc("/bulk/million", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"output":[{}`+strings.Repeat(`,{"url":"a"}`, 1_000_000)+`]}`)
	})
	mux.HandleFunc("/bulk/line", func(w http.ResponseWriter, _ *http.Request) {
		piece := []byte(strings.Repeat("x", 64<<10))
		for err := error(nil); err == nil; {
			_, err = w.Write(piece)
		}
	})
	mux.HandleFunc("/bulk/slow", func(w http.ResponseWriter, r *http.Request) {
		ticker := time.NewTicker(20 * time.Millisecond)
		defer ticker.Stop()
		for {
			_, _ = io.WriteString(w, "x")
			_ = http.NewResponseController(w).Flush()
			select {
			case <-r.Context().Done():
				return
			case <-ticker.C:
			}
		}
	})
	return mux
}

// forbiddenURLs lie under none of the prefixes, however they are written.
func forbiddenURLs(h *hostile) []string {
	host := strings.TrimPrefix(h.site, "http://")
	return []string{
		strings.Replace(h.inside, "127.0.0.1", "127.0.0.3", 1) + "/latest/meta-data/", "file:///etc/passwd", "gopher://" + host + "/bulk/x", "s3://deliveries/victim/",
		h.site + "/secret", h.site + "/bulkx", h.site + "/bulk/../secret", h.site + "/bulk/%2e%2e/secret", h.site + "/bulk/..%2fsecret", h.site + "/bulk/..%5csecret",
		"http://" + host + "@169.254.169.254/bulk/", "http://user@" + host + ":80/bulk/", "//169.254.169.254/latest/meta-data/", "http://2852039166/bulk/", "http://0xa9fea9fe/bulk/",
	}
}

// want compares what is told of files with a part of each.
func want(t *testing.T, told []string, parts ...string) {
	t.Helper()
	for i, part := range parts {
		if i >= len(told) || !strings.Contains(told[i], part) {
			t.Errorf("file %d: want %q", i, part)
		}
	}
	if t.Failed() || len(told) != len(parts) {
		t.Errorf("told is, want %d:\n%s", len(parts), strings.Join(told, "\n"))
	}
	for _, text := range told {
		if strings.Contains(text, "swordfish") || strings.Contains(text, "root:") {
			t.Errorf("tells what is not its business: %s", text)
		}
	}
}

// forgesRequests: URLs that were allowed, and whose addresses are internal, and redirects to what is.
func (h *hostile) forgesRequests(t *testing.T) {
	port := h.inside[strings.LastIndex(h.inside, ":"):]
	var urls, parts []string
	for _, host := range internalHosts {
		urls, parts = append(urls, "http://"+host+port+"/latest/meta-data/"), append(parts, "is not public")
	}
	for _, to := range []struct{ url, part string }{
		{"http://localhost" + port + "/latest/meta-data/", "is not public but loopback"},
		{"http://169.254.169.254" + port + "/latest/meta-data/", "link-local"},
		{"http://169.254.169.254/latest/meta-data/", "under none of the allowed"},
		{"//169.254.169.254/latest/meta-data/", "under none of the allowed"},
		{"../secret", "under none of the allowed"},
		{"/bulk/%2e%2e/secret", "under none of the allowed"},
		{"file:///etc/passwd", "not an http"},
		{"gopher://localhost" + port + "/", "not an http"},
		{"loop", "more than 5 redirects"},
	} {
		urls, parts = append(urls, h.site+"/bulk/to?url="+url.QueryEscape(to.url)), append(parts, to.part)
	}
	status, told := h.pull(t, "hostile", listed(urls...))
	if status != http.StatusInternalServerError {
		t.Errorf("status %d", status)
	}
	want(t, told, parts...)
}

// listsForgedRequests: a manifest may list what it likes, and what may not be asked for is not.
func (h *hostile) listsForgedRequests(t *testing.T) {
	status, told := h.pull(t, "hostile", static(h.site+"/bulk/listing"))
	if status != http.StatusInternalServerError {
		t.Errorf("status %d", status)
	}
	if len(told) < 10 || len(told) > len(forbiddenURLs(h))+1 { // some are the same in the end, and there is the next manifest
		t.Errorf("of %d URLs is told:\n%s", len(forbiddenURLs(h))+1, strings.Join(told, "\n"))
	}
}

// asksBeyondItsPrefixes: what may not be asked for is refused, by $import at once.
func (h *hostile) asksBeyondItsPrefixes(t *testing.T) {
	created := map[string]string{}
	for _, u := range forbiddenURLs(h) {
		for _, body := range []string{listed(u), static(u)} {
			if status, told := h.pull(t, "hostile", body); status != http.StatusUnprocessableEntity && status != http.StatusBadRequest {
				t.Errorf("%s: %d %v", body, status, told)
			}
		}
		resp, text := h.ask(t, "POST", "/imports", `{"sources":[{"manifest":"`+u+`"}]}`, h.as("hostile")...)
		if resp.StatusCode < 400 {
			created[u] = text
		}
	}
	for u, text := range created {
		if s := h.ended(t, "hostile", []byte(text)); s.State != ledger.StateFailed || s.Lines.Read > 0 {
			t.Errorf("%s: %s, %d lines", u, s.State, s.Lines.Read)
		}
	}
}

func (h *hostile) chainsManifests(t *testing.T) {
	_, told := h.pull(t, "hostile", static(h.site+"/bulk/endless"))
	want(t, told, "more than 1000 manifests follow each other")
}

func (h *hostile) listsMillions(t *testing.T) {
	_, told := h.pull(t, "hostile", static(h.site+"/bulk/million"))
	want(t, told, "more than 100000 files")
}

func (h *hostile) servesSlowly(t *testing.T) {
	_, told := h.pull(t, "greedy", listed(h.site+"/bulk/slow"))
	want(t, told, "the server sends too slowly")
}

// sendsAnEndlessLine: it is held by no memory, and ended by the supplier's limit.
func (h *hostile) sendsAnEndlessLine(t *testing.T) {
	_, told := h.pull(t, "greedy", listed(h.site+"/bulk/line"))
	want(t, told, "more than the 1000000 bytes")
}
