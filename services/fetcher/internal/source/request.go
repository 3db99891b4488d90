package source

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const maxRedirects = 5

var errIdle = errors.New("nothing came for too long")

// StatusError is a server's answer that is no content, such as 404.
type StatusError struct {
	Code int // of HTTP
}

func (e StatusError) Error() string {
	return strings.TrimSpace(fmt.Sprintf("the server answered %d %s", e.Code, http.StatusText(e.Code)))
}

// parseURL reads an http or https URL. The error does not repeat it.
func parseURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, errors.New("not a URL")
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, errors.New("not an http or https URL")
	}
	return u, nil
}

// newTransport connects without compression of its own, so that bytes are as they are stored,
// and without overall limit, as a transfer may take hours.
func newTransport(cfg Config) *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: cfg.ConnectTimeout}).DialContext,
		TLSHandshakeTimeout:    cfg.ConnectTimeout,
		ResponseHeaderTimeout:  cfg.HeaderTimeout,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true,
		MaxIdleConnsPerHost:    1,
		MaxResponseHeaderBytes: 1 << 20,
	}
}

// response is an answer whose body is watched.
type response struct {
	*http.Response
	body *body
}

// get makes a request for what is to be read from the offset, and follows redirects. They are
// followed here, not by http.Client, whose errors and Referer header repeat URLs.
func (s *httpStream) get() (*response, error) {
	ctx, cancel := context.WithCancelCause(s.ctx)
	target := s.url
	for range maxRedirects + 1 {
		resp, err := s.web.RoundTrip(s.request(ctx, target))
		if err != nil {
			cancel(nil)
			return nil, noAnswer(err)
		}
		if !redirects(resp.StatusCode) {
			return &response{Response: resp, body: newBody(ctx, cancel, resp.Body, s.cfg.IdleTimeout)}, nil
		}
		_ = resp.Body.Close() // of a redirect
		if target, err = redirected(target, resp.Header.Get("Location")); err != nil {
			cancel(nil)
			return nil, err
		}
	}
	cancel(nil)
	return nil, fmt.Errorf("more than %d redirects", maxRedirects)
}

func (s *httpStream) request(ctx context.Context, u *url.URL) *http.Request {
	req := (&http.Request{Method: http.MethodGet, URL: u, Host: u.Host, Header: http.Header{}}).WithContext(ctx)
	req.Header.Set("User-Agent", "stoker")
	req.Header.Set("Accept", "application/fhir+ndjson, application/ndjson, application/fhir+json;q=0.9, */*;q=0.8")
	req.Header.Set("Accept-Encoding", "identity")
	if u.User != nil {
		password, _ := u.User.Password()
		req.SetBasicAuth(u.User.Username(), password)
	}
	if condition := s.v.condition(); s.offset > 0 && condition != "" {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", s.offset))
		req.Header.Set("If-Range", condition)
	}
	return req
}

func redirects(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	default:
		return false
	}
}

// readable reports whether content encoded so can be read: what is compressed is told by its
// bytes, here as in a file.
func readable(encoding string) bool {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "", "identity", "gzip", "x-gzip", "zstd":
		return true
	default:
		return false
	}
}

// redirected is where a redirect leads. Errors do not repeat it: it may hold a secret.
func redirected(from *url.URL, location string) (*url.URL, error) {
	to, err := from.Parse(location)
	if err != nil || location == "" {
		return nil, errors.New("a redirect that leads nowhere")
	}
	if to, err = parseURL(to.String()); err != nil {
		return nil, fmt.Errorf("a redirect to what is %w", err)
	}
	if from.Scheme == "https" && to.Scheme != "https" {
		return nil, errors.New("a redirect from https to http")
	}
	if to.User == nil && to.Host == from.Host {
		to.User = from.User
	}
	return to, nil
}

// refusal is the error for an answer without content.
func refusal(resp *http.Response, now time.Time) error {
	err := StatusError{Code: resp.StatusCode}
	switch {
	case resp.StatusCode == http.StatusTooManyRequests, resp.StatusCode == http.StatusRequestTimeout,
		resp.StatusCode == http.StatusTooEarly, resp.StatusCode >= 500:
		return &failure{err: err, after: retryAfter(resp.Header.Get("Retry-After"), now)}
	default:
		return err
	}
}

// retryAfter reads the header in both its forms (RFC 9110, section 10.2.3); 0 if it has none.
func retryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseInt(value, 10, 32); err == nil {
		return max(0, time.Duration(seconds)*time.Second)
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

// contentRange reads "bytes 5-9/10"; size is -1 where it is "*". Of "bytes */10" first is -1.
func contentRange(value string) (first, size int64, ok bool) {
	value, ok = strings.CutPrefix(value, "bytes ")
	part, total, found := strings.Cut(value, "/")
	if !ok || !found {
		return 0, 0, false
	}
	first, size = -1, -1
	var err error
	if total != "*" {
		if size, err = strconv.ParseInt(total, 10, 64); err != nil || size < 0 {
			return 0, 0, false
		}
	}
	if part != "*" {
		from, _, _ := strings.Cut(part, "-")
		if first, err = strconv.ParseInt(from, 10, 64); err != nil || first < 0 {
			return 0, 0, false
		}
	}
	return first, size, true
}

// quiet is an error without the text of another, which may hold what a server sent.
type quiet struct {
	text string
	err  error
}

func (q quiet) Error() string { return q.text }
func (q quiet) Unwrap() error { return q.err }

// noAnswer is the error for a request without an answer. All but a certificate that is not
// to be trusted may be better next time.
func noAnswer(err error) error {
	var network *net.OpError
	var certificate *tls.CertificateVerificationError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.As(err, &certificate):
		return fmt.Errorf("connect: %w", certificate)
	case errors.As(err, &network):
		return &failure{err: fmt.Errorf("connect: %w", network)}
	case errors.As(err, &timeout) && timeout.Timeout():
		return &failure{err: quiet{"no answer in time", err}}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return &failure{err: quiet{"the connection was closed without an answer", err}}
	default:
		return &failure{err: quiet{"no answer that is HTTP", err}}
	}
}

// brokenOff is the error for an answer that began well.
func brokenOff(err error) error {
	if errors.Is(err, errIdle) {
		return errIdle
	}
	return quiet{"the connection broke off", err}
}
