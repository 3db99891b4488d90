package source_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stoker-fhir/stoker/services/fetcher/internal/source"
)

func TestDownload(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 100_000} {
		for _, chunked := range []bool{false, true} {
			s := &site{content: noise(size), traits: traits{chunked: chunked}}
			r, err := source.Open(t.Context(), fileAt(serve(t, s)+"/file"), source.Config{})
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r)
			closeReader(t, r)
			if err != nil || !bytes.Equal(got, s.content) || r.Offset() != int64(size) {
				t.Errorf("size %d, chunked %v: got %d bytes, %v", size, chunked, len(got), err)
			}
			wantSize := int64(size)
			if chunked {
				wantSize = -1
			}
			if r.Validator().Size != wantSize {
				t.Errorf("size %d, chunked %v: got size %d, want %d", size, chunked, r.Validator().Size, wantSize)
			}
			if got := s.requests[0].Get("Accept-Encoding"); got != "identity" {
				t.Errorf("asked for encoding %q, want identity", got)
			}
		}
	}
}

// TestCutConnections cuts answers at many places: the bytes are all there, once.
func TestCutConnections(t *testing.T) {
	t.Parallel()
	content := noise(200_000)
	once := func(at int) func(int) int {
		return func(n int) int {
			if n == 0 {
				return at
			}
			return -1
		}
	}
	always := func(at int) func(int) int { return func(int) int { return at } }
	tests := []struct {
		name      string
		traits    traits
		cut       func(at int) func(int) int
		at        []int
		condition string // that it is the same, where it is not the tag
	}{
		{"ranges and a tag", traits{etag: `"a"`, ranges: true}, always, []int{1000, 4096, 70_000, 199_999}, ""},
		{"ranges and a time", traits{lastModified: longAgo, ranges: true}, always, []int{9999, 70_000, 199_999}, longAgo},
		{"ranges, weak tag and a time", traits{etag: `W/"a"`, lastModified: longAgo, ranges: true}, always, []int{9999, 100_000}, longAgo},
		{"ranges in parts", traits{etag: `"a"`, ranges: true, part: 30_000}, always, []int{20_000, 40_000}, ""},
		{"ranges, chunked", traits{etag: `"a"`, ranges: true, chunked: true}, always, []int{9999, 100_000, 199_999}, ""},
		{"a tag only", traits{etag: `"a"`}, once, []int{0, 1, 5000, 100_000, 199_999}, ""},
		{"a time only", traits{lastModified: longAgo}, once, []int{0, 1, 100_000, 199_999}, longAgo},
		{"a tag, chunked", traits{etag: `"a"`, chunked: true}, once, []int{0, 1, 100_000, 199_999}, ""},
		{"nothing, cut before the first byte", traits{}, once, []int{0}, ""},
	}
	for _, tt := range tests {
		for _, at := range tt.at {
			s := &site{traits: tt.traits, content: content, cut: tt.cut(at)}
			got, err := download(t, serve(t, s), quick())
			if err != nil || !bytes.Equal(got, content) {
				t.Errorf("%s, cut at %d: got %d bytes, %v", tt.name, at, len(got), err)
			}
			if s.asked() < 2 {
				t.Fatalf("%s, cut at %d: asked %d times", tt.name, at, s.asked())
			}
			want := http.Header{}
			if at > 0 {
				want.Set("Range", fmt.Sprintf("bytes=%d-", at))
				want.Set("If-Range", cmp.Or(tt.condition, `"a"`))
			}
			if second := s.requests[1]; second.Get("Range") != want.Get("Range") || second.Get("If-Range") != want.Get("If-Range") {
				t.Errorf("%s, cut at %d: asked for %q if %q, want %v", tt.name, at, second.Get("Range"), second.Get("If-Range"), want)
			}
		}
	}
}

// TestCutInTheEnd: all bytes of a chunked answer came, its end did not. The server tells that
// nothing is left.
func TestCutInTheEnd(t *testing.T) {
	t.Parallel()
	s := &site{content: noise(5000), traits: traits{etag: `"a"`, ranges: true, chunked: true}}
	s.before = func(n int, w http.ResponseWriter, _ *http.Request) bool {
		if n > 0 {
			return false
		}
		w.Header().Set("ETag", s.etag)
		_, _ = w.Write(s.content)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	got, err := download(t, serve(t, s), quick())
	if err != nil || !bytes.Equal(got, s.content) {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
}

// TestCannotGoOn: without a strong validator nothing is joined to what came before.
func TestCannotGoOn(t *testing.T) {
	t.Parallel()
	content := noise(10_000)
	justNow := time.Now().UTC().Add(time.Second).Format(http.TimeFormat)
	for name, s := range map[string]*site{
		"nothing": {}, "ranges only": {traits: traits{ranges: true}}, "weak tag": {traits: traits{etag: `W/"a"`, ranges: true}},
		"a time that is too young": {traits: traits{lastModified: justNow, ranges: true}}, "chunked, a time": {traits: traits{lastModified: longAgo, chunked: true}},
	} {
		s.content, s.cut = content, func(int) int { return 5000 }
		got, err := download(t, serve(t, s), quick())
		if !errors.Is(err, source.ErrCut) || !bytes.Equal(got, content[:5000]) || s.asked() != 1 {
			t.Errorf("%s: got %d bytes after %d requests, %v; want 5000 after 1, %v", name, len(got), s.asked(), err, source.ErrCut)
		}
	}
}

// TestNeverWhole: a server that always cuts at the same place is given up.
func TestNeverWhole(t *testing.T) {
	t.Parallel()
	s := &site{content: noise(10_000), traits: traits{etag: `"a"`}, cut: func(int) int { return 5000 }}
	var w waits
	got, err := download(t, serve(t, s), source.Config{Attempts: 4, Sleep: w.sleep})
	if !errors.Is(err, source.ErrCut) || len(got) != 5000 || s.asked() != 4 || len(w.all) != 2 {
		t.Errorf("got %d bytes after %d requests and %d waits, %v; want 5000, 4, 2, %v", len(got), s.asked(), len(w.all), err, source.ErrCut)
	}
}

// TestChangeInTheMiddle: the content is another when the transfer goes on.
func TestChangeInTheMiddle(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		traits traits
		change func(*site)
	}{
		{"tag, ranges", traits{etag: `"a"`, ranges: true}, func(s *site) { s.etag = `"b"` }},
		{"tag, ranges without If-Range", traits{etag: `"a"`, ranges: true, noIfRange: true}, func(s *site) { s.etag = `"b"` }},
		{"tag, no ranges", traits{etag: `"a"`}, func(s *site) { s.etag = `"b"` }},
		{"tag gone", traits{etag: `"a"`}, func(s *site) { s.etag = "" }},
		{"time, ranges", traits{lastModified: longAgo, ranges: true}, func(s *site) { s.lastModified = "Wed, 21 Oct 2015 07:29:00 GMT" }},
		{"time, ranges without If-Range", traits{lastModified: longAgo, ranges: true, noIfRange: true}, func(s *site) { s.lastModified = "Wed, 21 Oct 2015 07:29:00 GMT" }},
		{"size, ranges without If-Range", traits{etag: `"a"`, ranges: true, noIfRange: true}, func(s *site) { s.content = append(noise(10_000), 'x') }},
		{"size, no ranges", traits{etag: `"a"`}, func(s *site) { s.content = append(noise(10_000), 'x') }},
		{"shorter, chunked", traits{etag: `"a"`, chunked: true}, func(s *site) { s.content = noise(3000) }},
		{"shorter, ranges", traits{etag: `"a"`, chunked: true, ranges: true}, func(s *site) { s.content = noise(3000) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			content := noise(10_000)
			s := &site{traits: tt.traits, content: content, cut: func(n int) int {
				if n == 0 {
					return 5000
				}
				return -1
			}}
			s.before = func(n int, _ http.ResponseWriter, _ *http.Request) bool {
				if n == 1 {
					tt.change(s)
				}
				return false
			}
			got, err := download(t, serve(t, s), quick())
			if !errors.Is(err, source.ErrChanged) || !bytes.Equal(got, content[:5000]) {
				t.Errorf("got %d bytes, %v; want 5000, %v", len(got), err, source.ErrChanged)
			}
		})
	}
}

// TestOpenAt: a reading is resumed by a stored validator, at any place, also at the end.
func TestOpenAt(t *testing.T) {
	t.Parallel()
	content := noise(10_000)
	for name, s := range map[string]*site{
		"ranges and a tag": {traits: traits{etag: `"a"`, ranges: true}}, "a tag": {traits: traits{etag: `"a"`}}, "ranges and a time": {traits: traits{lastModified: longAgo, ranges: true}},
		"a time": {traits: traits{lastModified: longAgo}}, "chunked, a tag": {traits: traits{etag: `"a"`, chunked: true, ranges: true}},
	} {
		s.content = content
		url := serve(t, s)
		r, err := source.Open(t.Context(), fileAt(url), quick())
		if err != nil {
			t.Fatal(err)
		}
		stored, err := json.Marshal(r.Validator())
		closeReader(t, r)
		if err != nil {
			t.Fatal(err)
		}
		var v source.Validator
		if err := json.Unmarshal(stored, &v); err != nil || v != r.Validator() {
			t.Fatalf("validator %+v is read as %+v, %v", r.Validator(), v, err)
		}
		for _, offset := range []int64{0, 1, 5000, 9999, 10_000} {
			r, err := source.OpenAt(t.Context(), fileAt(url), quick(), v, offset)
			if err != nil {
				t.Errorf("%s, at %d: %v", name, offset, err)
				continue
			}
			got, err := io.ReadAll(r)
			closeReader(t, r)
			if err != nil || !bytes.Equal(got, content[offset:]) || r.Offset() != 10_000 || r.Validator() != v {
				t.Errorf("%s, at %d: got %d bytes, %v", name, offset, len(got), err)
			}
		}
		s.mu.Lock()
		s.etag, s.lastModified = `"b"`, "Wed, 21 Oct 2015 07:29:00 GMT"
		s.mu.Unlock()
		for _, offset := range []int64{0, 5000} {
			if r, err := source.OpenAt(t.Context(), fileAt(url), quick(), v, offset); !errors.Is(err, source.ErrChanged) {
				closeReader(t, r)
				t.Errorf("%s, changed, at %d: got %v, want %v", name, offset, err, source.ErrChanged)
			}
		}
	}
}

func TestOpenAtWithoutValidator(t *testing.T) {
	t.Parallel()
	s := &site{content: noise(100)}
	url := serve(t, s)
	v := source.Validator{Size: 100}
	if _, err := source.OpenAt(t.Context(), fileAt(url), quick(), v, 50); !errors.Is(err, source.ErrCut) {
		t.Errorf("got %v, want %v", err, source.ErrCut)
	}
	r, err := source.OpenAt(t.Context(), fileAt(url), quick(), v, 0)
	if err != nil {
		t.Fatal(err)
	}
	closeReader(t, r)
	if _, err := source.OpenAt(t.Context(), fileAt(url), quick(), source.Validator{Size: 99}, 0); !errors.Is(err, source.ErrChanged) {
		t.Errorf("another size: got %v, want %v", err, source.ErrChanged)
	}
}

// TestBadParts: answers to a request for a range that do not fit it.
func TestBadParts(t *testing.T) {
	t.Parallel()
	content := noise(10_000)
	for _, contentRange := range []string{
		"", "bytes 4999-9999/10000", "bytes 0-9999/10000", "bytes 5000-9999/10001", "bytes 5000-9999/x", "bytes x-9999/10000", "items 5000-9999/10000", "bytes 5000", "bytes */10000",
	} {
		s := &site{content: content, traits: traits{etag: `"a"`}, cut: func(int) int { return 5000 }}
		s.before = func(n int, w http.ResponseWriter, _ *http.Request) bool {
			if n == 0 {
				return false
			}
			w.Header().Set("Content-Range", contentRange)
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(content[5000:])
			return true
		}
		got, err := download(t, serve(t, s), quick())
		if !errors.Is(err, source.ErrCut) && !errors.Is(err, source.ErrChanged) || !bytes.Equal(got, content[:5000]) {
			t.Errorf("%q: got %d bytes, %v; want 5000 and an error", contentRange, len(got), err)
		}
	}
}

// TestTooMuch: a part that goes beyond the end.
func TestTooMuch(t *testing.T) {
	t.Parallel()
	content := noise(10_000)
	s := &site{content: content, traits: traits{etag: `"a"`}, cut: func(int) int { return 5000 }}
	s.before = func(n int, w http.ResponseWriter, _ *http.Request) bool {
		if n == 0 {
			return false
		}
		w.Header().Set("Content-Range", "bytes 5000-9999/10000")
		w.WriteHeader(http.StatusPartialContent)
		_, _ = w.Write(append(content[5000:], make([]byte, 100_000)...))
		return true
	}
	if got, err := download(t, serve(t, s), quick()); !errors.Is(err, source.ErrChanged) || len(got) > len(content) {
		t.Errorf("got %d bytes, %v; want at most 10000, %v", len(got), err, source.ErrChanged)
	}
}

func TestStops(t *testing.T) {
	t.Parallel()
	content := noise(1000)
	stages := []string{"header", "body", "wait"}
	for _, stage := range stages {
		t.Run(stage, func(t *testing.T) {
			t.Parallel()
			reached, done := make(chan struct{}, 10), make(chan struct{})
			url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch stage {
				case "wait":
					w.WriteHeader(http.StatusServiceUnavailable)
					return
				case "body":
					w.Header().Set("Content-Length", "5000")
					_, _ = w.Write(content)
					_ = http.NewResponseController(w).Flush()
				}
				reached <- struct{}{}
				select {
				case <-r.Context().Done():
				case <-done:
				}
			}))
			t.Cleanup(func() { close(done) })
			ctx, cancel := context.WithCancel(t.Context())
			cfg := source.Config{Sleep: func(ctx context.Context, _ time.Duration) error {
				reached <- struct{}{}
				<-ctx.Done()
				return ctx.Err()
			}}
			result := make(chan error, 1)
			go func() {
				r, err := source.Open(ctx, fileAt(url), cfg)
				if err == nil {
					_, err = io.ReadAll(r)
					err = errors.Join(err, r.Close())
				}
				result <- err
			}()
			<-reached
			cancel()
			select {
			case err := <-result:
				if !errors.Is(err, context.Canceled) || errors.Is(err, source.ErrCut) {
					t.Errorf("got %v, want %v", err, context.Canceled)
				}
			case <-time.After(10 * time.Second):
				t.Error("did not stop")
			}
		})
	}
}

// TestIdle: an answer that stalls is broken off and continued.
func TestIdle(t *testing.T) {
	t.Parallel()
	s := &site{content: noise(10_000), traits: traits{etag: `"a"`, ranges: true}}
	s.before = func(n int, w http.ResponseWriter, r *http.Request) bool {
		if n > 0 {
			return false
		}
		w.Header().Set("ETag", s.etag)
		w.Header().Set("Content-Length", "10000")
		_, _ = w.Write(s.content[:5000])
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		return true
	}
	cfg := quick()
	cfg.HTTP.IdleTimeout = 100 * time.Millisecond
	got, err := download(t, serve(t, s), cfg)
	if err != nil || !bytes.Equal(got, s.content) || s.asked() != 2 {
		t.Errorf("got %d bytes after %d requests, %v; want all after 2", len(got), s.asked(), err)
	}

	silent := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	cfg.HTTP.HeaderTimeout, cfg.Attempts = 50*time.Millisecond, 3
	if _, err := download(t, silent, cfg); err == nil {
		t.Error("no answer: got no error")
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	url := serve(t, http.NotFoundHandler())
	var w waits
	closed := fmt.Sprintf("http://127.0.0.1:%d/", 1) // nothing listens there
	if _, err := download(t, closed, source.Config{Sleep: w.sleep, Attempts: 5}); err == nil || len(w.all) != 3 {
		t.Errorf("got %v after %d waits, want an error after 3", err, len(w.all))
	}
	if _, err := download(t, url, source.Config{}); !errors.Is(err, error(source.StatusError{Code: 404})) {
		t.Errorf("got %v, want 404", err)
	}
}
