package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/stoker-fhir/stoker/pkg/outbound"
	"github.com/stoker-fhir/stoker/pkg/s3"
)

// httpStream reads a URL's content, over several answers if it must.
type httpStream struct {
	ctx context.Context // of the one who opened it: a Read has no other way to end with it
	cfg Config
	at  Locator
	access
	url     *url.URL    // of at, or where its manifest says that it is now
	account *s3.Account // signs the requests; nil: of no bucket

	accept    string
	prefer    string      // RFC 7240; "": nothing
	header    http.Header // of the last answer
	maxBody   int64       // of an answer in bytes; 0: no limit
	unless    Validator   // of content that is not wanted again: the answer is then a [StatusError] of 304
	anonymous bool        // no credential is to be sent
	reminted  bool        // a token was not taken, and another one asked for, since something was read last
	renewed   bool        // the manifest was read again, since something was read last
	answered  *url.URL    // where the last answer came from
	handsBack bool        // a server that asks to wait for longer than MaxWait is not waited for: the error is then a [Busy]

	v        Validator
	known    bool          // v is of an earlier answer, or of an earlier reading
	size     int64         // of the whole content, -1 unknown
	offset   int64         // of the next byte to deliver
	body     io.ReadCloser // nil: none under way
	ended    bool
	failures int // requests in a row that brought nothing new
}

// acceptFiles is what is asked for where files are expected.
const acceptFiles = "application/fhir+ndjson, application/ndjson, application/fhir+json;q=0.9, */*;q=0.8"

// newHTTPStream is a stream that nothing was asked for yet.
func newHTTPStream(ctx context.Context, l Locator, cfg Config) (*httpStream, error) {
	if l.Object != nil {
		return newObjectStream(ctx, l, cfg)
	}
	u, err := outbound.ParseURL(l.URL)
	if err != nil {
		return nil, err
	}
	how, err := l.access(cfg)
	if err != nil {
		return nil, err
	}
	return &httpStream{ctx: ctx, cfg: cfg, at: l, access: how, url: u, accept: acceptFiles, anonymous: l.Anonymous, size: -1}, nil
}

func openHTTP(ctx context.Context, l Locator, cfg Config, want *Validator, offset int64) (stream, error) {
	s, err := newHTTPStream(ctx, l, cfg)
	if err != nil {
		return nil, err
	}
	s.offset = offset
	if want != nil {
		s.v, s.known, s.size = *want, true, want.Size
		if offset > 0 && !want.Strong {
			return nil, fmt.Errorf("%w: the server gave nothing to tell by whether the content is still the same", ErrCut)
		}
	}
	if err := s.connect(); err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

func (s *httpStream) validator() Validator { return s.v }
func (s *httpStream) check() error         { return nil }

func (s *httpStream) Close() error {
	s.hangUp()
	s.web.Close()
	return nil
}

func (s *httpStream) hangUp() {
	if s.body != nil {
		_ = s.body.Close() // the request was cancelled; there is nothing to learn
		s.body = nil
	}
}

func (s *httpStream) Read(p []byte) (int, error) {
	for len(p) > 0 {
		if s.body == nil && !s.ended {
			if err := s.connect(); err != nil {
				return 0, err
			}
		}
		if s.ended {
			return 0, io.EOF
		}
		n, err := s.body.Read(p)
		if n > 0 { // an error comes again
			s.offset += int64(n)
			s.failures, s.reminted, s.renewed = 0, false, false
			if s.size >= 0 && s.offset > s.size {
				return 0, ErrChanged
			}
			return n, nil
		}
		if err == nil {
			continue
		}
		s.hangUp()
		s.ended = err == io.EOF && (s.size < 0 || s.offset == s.size)
		if s.ended {
			continue
		}
		if err := s.goOn(brokenOff(err)); err != nil {
			return 0, err
		}
	}
	return 0, nil
}

// connect asks until there is an answer to read from, or none is to be expected.
func (s *httpStream) connect() error {
	defer func() {
		if s.failures > 0 {
			s.again(nil, 0)
		}
	}()
	for {
		err := s.ask()
		if err == nil {
			return nil
		}
		s.hangUp()
		if err := s.goOn(err); err != nil {
			return err
		}
	}
}

// failure is a request that may well succeed when it is made again.
type failure struct {
	err   error
	after time.Duration // what the server asks to wait
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// goOn waits before the next request and returns nil, or returns why there is to be none.
func (s *httpStream) goOn(err error) error {
	if ctxErr := s.ctx.Err(); ctxErr != nil {
		return ctxErr
	}
	var f *failure
	if !errors.As(err, &f) {
		return err
	}
	if s.offset > 0 && !s.v.Strong {
		return fmt.Errorf("%w, as the server gives nothing to tell by whether the content is still the same: %w", ErrCut, f.err)
	}
	if s.handsBack && f.after > s.cfg.MaxWait {
		return &Busy{After: f.after, Err: f.err}
	}
	s.failures++
	if s.failures >= s.cfg.Attempts {
		err := fmt.Errorf("given up after %d attempts: %w", s.failures, f.err)
		if s.offset > 0 {
			return fmt.Errorf("%w: %w", ErrCut, err)
		}
		return err
	}
	wait := min(max(backOff(s.failures), f.after), s.cfg.MaxWait)
	if wait <= 0 {
		return nil
	}
	s.again(f.err, wait)
	return s.cfg.Sleep(s.ctx, wait)
}

func (s *httpStream) again(why error, wait time.Duration) {
	if s.cfg.Again != nil {
		s.cfg.Again(s.ctx, why, wait)
	}
}

// backOff is how long to wait after so many failures in a row: not at all after the first,
// which mostly is a connection that a server closed for its age.
func backOff(failures int) time.Duration {
	if failures < 2 {
		return 0
	}
	return 500 * time.Millisecond << min(failures-2, 6)
}

// ask makes one request for what is still to be read, and judges the answer.
func (s *httpStream) ask() error {
	resp, err := s.get() //nolint:bodyclose // hangUp closes it
	if err != nil {
		return err
	}
	s.body, s.answered, s.header = resp.Body, resp.Request.URL, resp.Header
	switch resp.StatusCode {
	case http.StatusOK, http.StatusPartialContent:
		if !readable(resp.Header.Get("Content-Encoding")) {
			return errors.New("the server sends the content in an encoding that is not known here")
		}
		if resp.StatusCode == http.StatusOK {
			return s.fromTheStart(resp)
		}
		return s.fromOffset(resp)
	case http.StatusRequestedRangeNotSatisfiable:
		if s.account != nil && s.offset > 0 && s.offset == s.size { // all was read; stores do not tell the size here
			s.hangUp()
			s.ended = true
			return nil
		}
		return s.fromTheEnd(resp)
	default:
		if s.account != nil {
			return s.storeRefused(resp)
		}
		return s.refused(resp)
	}
}

// fromTheStart takes an answer with the whole content. What was delivered of it before is
// passed over, if it is certain to be the same.
func (s *httpStream) fromTheStart(resp *http.Response) error {
	if resp.ContentLength < 0 && resp.ProtoMajor == 1 && len(resp.TransferEncoding) == 0 {
		return errors.New("the server does not tell where the content ends, so that a cut would go unseen")
	}
	v := httpValidator(resp, s.cfg.Now())
	switch {
	case !s.known && !s.at.Object.is(v):
		return ErrChanged
	case !s.known:
		s.v, s.known, s.size = v, true, v.Size
	case !v.Same(s.v):
		return ErrChanged
	case s.size < 0:
		s.size = v.Size
	}
	n, err := io.CopyN(io.Discard, s.body, s.offset)
	if err == nil {
		return nil
	}
	if errors.Is(err, io.EOF) { // ended properly, and yet is shorter
		return ErrChanged
	}
	if err = brokenOff(err); errors.As(err, new(*failure)) {
		return &failure{err: fmt.Errorf("after passing over %d of %d bytes: %w", n, s.offset, err)}
	}
	return err
}

// fromOffset takes an answer with the part that was asked for.
func (s *httpStream) fromOffset(resp *http.Response) error {
	first, size, ok := contentRange(resp.Header.Get("Content-Range"))
	if !ok || first != s.offset || s.offset == 0 || size < 0 && s.size < 0 {
		return fmt.Errorf("%w: the server sent another part than asked for, or does not tell which", ErrCut)
	}
	// That the validators held is what If-Range asked. Some servers do not know it.
	tag, modified := resp.Header.Get("ETag"), resp.Header.Get("Last-Modified")
	if tag != "" && tag != s.v.ETag || tag == "" && modified != "" && s.v.LastModified != "" && modified != s.v.LastModified ||
		size >= 0 && s.size >= 0 && size != s.size {
		return ErrChanged
	}
	if s.size < 0 {
		s.size = size
	}
	return nil
}

// fromTheEnd takes an answer that nothing is left: the last one broke off in its end.
func (s *httpStream) fromTheEnd(resp *http.Response) error {
	_, size, ok := contentRange(resp.Header.Get("Content-Range"))
	if !ok || s.offset == 0 || size != s.offset || s.size >= 0 && s.size != size {
		return ErrChanged
	}
	s.hangUp()
	s.ended = true
	return nil
}
