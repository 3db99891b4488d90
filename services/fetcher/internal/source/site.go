package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/outbound"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/export"
)

// Site is the server of a source, for what is asked of it besides files. [Site.Get] may be called by several goroutines.
type Site struct {
	access
	cfg       Config
	url       *url.URL
	hasPolicy bool
}

// NewSite is the server that a source names. Its credentials and headers are those of the source.
func NewSite(s fhirmsg.Source, cfg Config) (*Site, error) {
	c, err := newChain(s)
	if err != nil {
		return nil, err
	}
	return newSite(Locator{URL: c.root, Home: c.home, Headers: c.headers}, cfg)
}

func newSite(l Locator, cfg Config) (*Site, error) {
	u, err := outbound.ParseURL(l.URL)
	if err != nil {
		return nil, err
	}
	how, err := l.access(cfg)
	if err != nil {
		return nil, err
	}
	return &Site{access: how, cfg: cfg.WithDefaults(), url: u, hasPolicy: cfg.Policy != nil}, nil
}

// URL is where the server is asked, without a user.
func (s *Site) URL() *url.URL { u := *s.url; return &u }

// HasPolicy reports whether a supplier's policy says what may be asked for.
func (s *Site) HasPolicy() bool { return s.hasPolicy }

// Do makes a request, under the supplier's policy. Its errors are those of [outbound.Client.Do].
func (s *Site) Do(ctx context.Context, r outbound.Request) (*http.Response, error) {
	r.Secret = s.headers(r.URL)
	return s.web.Do(ctx, r)
}

// Close ends connections.
func (s *Site) Close() { s.web.Close() }

// MaxAnswer is how much of an answer [Site.Get] reads, in bytes.
const MaxAnswer = 64 << 20

// Busy is that a server asks to wait for longer than a request is kept for.
type Busy struct {
	After time.Duration
	Err   error
}

func (b *Busy) Error() string { return b.Err.Error() }
func (b *Busy) Unwrap() error { return b.Err }

// Answer is what a server has at a URL.
type Answer struct {
	Body []byte
	Type string   // of its content, as the server says
	At   *url.URL // that answered, without a user
}

// Get reads what is at a URL, whole and as FHIR's JSON. It is asked again where that may help. Errors: [Busy]; a [StatusError];
// others as those of reading a file.
func (s *Site) Get(ctx context.Context, u *url.URL) (Answer, error) {
	for attempt := 1; ; attempt++ {
		a, err := s.get(ctx, u)
		if attempt < pageAttempts && (errors.Is(err, ErrCut) || errors.Is(err, ErrChanged)) {
			continue
		}
		return a, err
	}
}

const acceptFHIR = "application/fhir+json"

func (s *Site) get(ctx context.Context, u *url.URL) (Answer, error) {
	h := &httpStream{
		ctx: ctx, cfg: s.cfg, at: Locator{URL: u.String()}, access: s.access, url: u, size: -1, maxBody: MaxAnswer,
		accept: acceptFHIR, prefer: "handling=strict", handsBack: true,
	}
	defer h.hangUp()
	if err := h.connect(); err != nil {
		return Answer{}, err
	}
	at := *h.answered
	at.User = nil // it is in the headers, which go where they belong
	kind, _, _ := strings.Cut(h.header.Get("Content-Type"), ";")
	b, err := readAll(h, MaxAnswer+1)
	if err == nil && len(b) > MaxAnswer {
		err = outbound.ErrTooLarge
	}
	if errors.Is(err, outbound.ErrTooLarge) {
		err = fmt.Errorf("an answer of more than %d bytes: %w", MaxAnswer, err)
	}
	return Answer{Body: b, Type: strings.TrimSpace(kind), At: &at}, err
}

// maxSays is how much is read of an answer that refuses, in bytes.
const maxSays = 64 << 10

// says are the codes of an answer that refuses, where a FHIR server is asked. Its texts may name patients.
func (s *httpStream) says(resp *http.Response) string {
	if !s.handsBack {
		return ""
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxSays))
	if err != nil {
		return ""
	}
	codes := export.Codes(b)
	return strings.Join(codes[:min(len(codes), 3)], "; ")
}
