package source_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stoker-fhir/stoker/services/fetcher/internal/source"
)

// site is a web server with one file, which misbehaves as it is told.
type site struct {
	traits
	content []byte

	// cut is after how many bytes of its body answer n, from 0, breaks off; negative: never.
	cut func(n int) int
	// before may answer instead, and may change the site.
	before func(n int, w http.ResponseWriter, r *http.Request) bool

	mu       sync.Mutex
	requests []http.Header
}

// traits are how a site serves its file.
type traits struct {
	etag         string
	lastModified string
	ranges       bool // knows Range, and If-Range
	noIfRange    bool // knows Range only
	chunked      bool // does not tell the length
	part         int  // the most it sends for a range; 0: all
}

const longAgo = "Wed, 21 Oct 2015 07:28:00 GMT"

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	n := len(s.requests)
	s.requests = append(s.requests, r.Header.Clone())
	s.mu.Unlock()
	if s.before != nil && s.before(n, w, r) {
		return
	}
	first, last, status := 0, len(s.content), http.StatusOK
	if v, ok := strings.CutPrefix(r.Header.Get("Range"), "bytes="); ok && s.ranges {
		condition := r.Header.Get("If-Range")
		if s.noIfRange || condition == "" || condition == s.etag || condition == s.lastModified {
			first, _ = strconv.Atoi(strings.TrimSuffix(v, "-"))
			status = http.StatusPartialContent
			if s.part > 0 {
				last = min(last, first+s.part)
			}
		}
	}
	if s.etag != "" {
		w.Header().Set("ETag", s.etag)
	}
	if s.lastModified != "" {
		w.Header().Set("Last-Modified", s.lastModified)
	}
	if status == http.StatusPartialContent {
		if first >= len(s.content) {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes */%d", len(s.content)))
			w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
			return
		}
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first, last-1, len(s.content)))
	}
	body := s.content[first:last]
	if !s.chunked {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(status)
	if s.cut != nil {
		if cut := s.cut(n); cut >= 0 && cut < len(body) {
			_, _ = w.Write(body[:cut])
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
	}
	_, _ = w.Write(body)
	if s.chunked {
		_ = http.NewResponseController(w).Flush() // else a small answer gets a length
	}
}

func (s *site) asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.requests)
}

// serve starts a server for a handler.
func serve(t *testing.T, h http.Handler) (url string) {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.Config.ErrorLog = nil
	server.Start()
	t.Cleanup(server.Close)
	return server.URL
}

func fileAt(url string) source.File { return source.File{Locator: source.Locator{URL: url}} }

// waits remembers what was waited for, and does not wait.
type waits struct {
	mu  sync.Mutex
	all []time.Duration
}

func (w *waits) sleep(ctx context.Context, d time.Duration) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, d)
	return ctx.Err()
}

// quick is a configuration that does not wait between attempts.
func quick() source.Config { return source.Config{Sleep: new(waits).sleep} }

// download reads all of a URL.
func download(t *testing.T, url string, cfg source.Config) ([]byte, error) {
	t.Helper()
	r, err := source.Open(t.Context(), fileAt(url), cfg)
	if err != nil {
		return nil, err
	}
	defer closeReader(t, r)
	return io.ReadAll(r)
}

// noise is content of which every part differs.
func noise(n int) []byte {
	b := make([]byte, 0, n+sha256.Size)
	for i := 0; len(b) < n; i++ {
		sum := sha256.Sum256([]byte(strconv.Itoa(i)))
		b = append(b, sum[:]...)
	}
	return b[:n]
}
