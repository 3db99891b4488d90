package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/outbound"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/format"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/manifest"
)

// personal are headers that say who asks. They are for the origin that they were given for; others
// are for every file that is listed there too, as $bulk-submit wants of fileRequestHeader.
func personal(name string) bool {
	return strings.EqualFold(name, "Authorization") || strings.EqualFold(name, "Cookie")
}

// access is how a URL is asked for.
type access struct {
	web    *outbound.Client
	secret http.Header
	home   string // origin that the headers were given for
}

func (l Locator) access(cfg Config) (access, error) {
	a := access{secret: http.Header{}, home: l.Home}
	if a.home == "" {
		u, err := outbound.ParseURL(l.URL)
		if err != nil {
			return a, err
		}
		a.home = outbound.Origin(u)
	}
	credentials := slices.Clone(cfg.Credentials)
	for _, h := range l.Headers {
		if personal(h.Name) {
			credentials = append(credentials, outbound.Credential{Prefix: a.home, Header: h.Name, Value: outbound.Fixed(h.Value)})
			continue
		}
		a.secret.Add(h.Name, h.Value)
	}
	var err error
	a.web, err = outbound.New(cfg.HTTP, cfg.Policy, credentials...)
	return a, err
}

// headers are those for one URL. What was given for https is not sent in the clear.
func (a access) headers(u *url.URL) http.Header {
	if strings.HasPrefix(a.home, "https:") && u.Scheme != "https" {
		return nil
	}
	return a.secret
}

// acceptManifest is what is asked for where a manifest is expected.
const acceptManifest = "application/json, application/fhir+json;q=0.9"

// pageAttempts is how often a page is read anew that was cut, or changed, while it was read.
const pageAttempts = 3

// readPage reads one page of a manifest.
func readPage(ctx context.Context, l Locator, cfg Config) (manifest.Manifest, error) {
	for attempt := 1; ; attempt++ {
		m, err := readPageOnce(ctx, l, cfg)
		if attempt < pageAttempts && (errors.Is(err, ErrCut) || errors.Is(err, ErrChanged)) {
			continue
		}
		status := StatusError{}
		if errors.As(err, &status) && status.Code == http.StatusAccepted {
			err = fmt.Errorf("%w: the manifest is not complete yet", err)
		}
		return m, err
	}
}

func readPageOnce(ctx context.Context, l Locator, cfg Config) (manifest.Manifest, error) {
	cfg = cfg.withDefaults()
	s, err := newHTTPStream(ctx, l, cfg)
	if err != nil {
		return manifest.Manifest{}, err
	}
	defer s.Close() //nolint:errcheck // only read from
	s.accept, s.maxBody = acceptManifest, manifest.MaxSize
	if err := s.connect(); err != nil {
		return manifest.Manifest{}, err
	}
	base := *s.answered
	base.User = nil // it is in the headers, which go where they belong
	in := format.NewInput(s)
	content, err := in.Decompress(in.Detect())
	if err != nil {
		return manifest.Manifest{}, err
	}
	defer content.Close() //nolint:errcheck // frees memory only
	b, err := io.ReadAll(io.LimitReader(content, manifest.MaxSize+1))
	if err != nil {
		return manifest.Manifest{}, err
	}
	return manifest.Read(b, &base)
}

// withoutUser moves the user of a URL into a header, where it is kept from other origins.
func withoutUser(u *url.URL, headers []fhirmsg.Header) (*url.URL, []fhirmsg.Header) {
	if u.User == nil {
		return u, headers
	}
	password, _ := u.User.Password()
	req := http.Request{Header: http.Header{}}
	req.SetBasicAuth(u.User.Username(), password)
	bare := *u
	bare.User = nil
	return &bare, append(slices.Clone(headers), fhirmsg.Header{Name: "Authorization", Value: req.Header.Get("Authorization")})
}
