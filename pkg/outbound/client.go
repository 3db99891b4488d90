package outbound

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
)

// Client makes requests under one policy, with connections of its own. It may be used by several
// goroutines.
type Client struct {
	cfg         Config
	policy      *Policy
	credentials []Credential
	transport   *http.Transport
}

// New makes a client. Errors are those of the configuration and the policy.
func New(cfg Config, p *Policy, credentials ...Credential) (*Client, error) {
	encryption, err := cfg.tls()
	if err != nil {
		return nil, err
	}
	if err := p.Check(); err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	for _, c := range credentials {
		if err := CheckPrefix(c.Prefix); err != nil {
			return nil, fmt.Errorf("credential: %w", err)
		}
	}
	cfg = cfg.withDefaults()
	dialer := net.Dialer{Timeout: cfg.ConnectTimeout}
	t := &http.Transport{
		TLSClientConfig:        encryption,
		TLSHandshakeTimeout:    cfg.ConnectTimeout,
		ResponseHeaderTimeout:  cfg.HeaderTimeout,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true, // bytes are as they are stored
		MaxIdleConnsPerHost:    1,
		MaxResponseHeaderBytes: 1 << 20,
	}
	if p == nil {
		t.Proxy, t.DialContext = http.ProxyFromEnvironment, dialer.DialContext
	} else {
		t.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			return p.dial(ctx, dialer, network, addr)
		}
	}
	return &Client{cfg: cfg, policy: p, credentials: credentials, transport: t}, nil
}

// Close ends connections that nobody uses. Bodies are closed by who reads them.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// Request is what is asked.
type Request struct {
	Method    string // "" is GET
	URL       *url.URL
	Header    http.Header // sent wherever redirects lead
	Secret    http.Header // sent to no other origin than the URL's
	Body      []byte
	Anonymous bool  // no credential is sent
	MaxBody   int64 // bytes of the answer; 0: only the policy's limit
}

// HasCredential reports whether there is a credential for a URL.
func (c *Client) HasCredential(u *url.URL) bool {
	for _, credential := range c.credentials {
		if covers(credential.Prefix, u) {
			return true
		}
	}
	return false
}

// Forget says that a server answered 401, and so did not take the credential that the request had. It reports
// whether the same request will have another one.
func (c *Client) Forget(resp *http.Response) bool {
	again := false
	for _, credential := range c.credentials {
		value := resp.Request.Header.Get(credential.Header)
		if value != "" && credential.Forget != nil && covers(credential.Prefix, resp.Request.URL) {
			again = credential.Forget(value) || again
		}
	}
	return again
}

// Do makes a request, and for GET and HEAD follows redirects; those of other methods, or to no place, are an answer.
// The URL that answered is in the answer's Request. The context ends the reading of the body too.
//
// Errors: a [Refusal]; an [Unanswered] request; [ErrTooLarge]; a certificate that is not to be
// trusted; a redirect that leads nowhere; the context's. Of reading the body besides: [ErrIdle],
// [ErrSlow].
func (c *Client) Do(ctx context.Context, r Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	resp, err := c.follow(ctx, r)
	if err != nil {
		cancel(nil)
		return nil, err
	}
	limit := least(r.MaxBody, c.policy.maxBody())
	if limit > 0 && resp.ContentLength > limit {
		_ = resp.Body.Close() // not read
		cancel(nil)
		return nil, ErrTooLarge
	}
	slowest := int64(float64(c.cfg.MinRate) * c.cfg.IdleTimeout.Seconds())
	resp.Body = newBody(ctx, cancel, resp.Body, c.cfg.IdleTimeout, slowest, limit)
	return resp, nil
}

func (p *Policy) maxBody() int64 {
	if p == nil {
		return 0
	}
	return p.MaxBody
}

// least is the lower of two limits, of which 0 is none.
func least(a, b int64) int64 {
	if a == 0 || b > 0 && b < a {
		return b
	}
	return a
}

// follow makes a request, and those that redirects lead to. They are followed here, not by
// http.Client, whose errors and Referer header repeat URLs.
func (c *Client) follow(ctx context.Context, r Request) (*http.Response, error) {
	target := r.URL
	for range c.cfg.Redirects + 1 {
		if err := c.policy.Allows(target); err != nil {
			return nil, err
		}
		req, err := c.request(ctx, r, target)
		if err != nil {
			return nil, err
		}
		resp, err := c.transport.RoundTrip(req)
		switch {
		case err != nil && ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case err != nil:
			return nil, noAnswer(err, c.policy)
		case !redirects(resp.StatusCode) || req.Method != http.MethodGet && req.Method != http.MethodHead,
			resp.Header.Get("Location") == "": // by which object stores say that a bucket is elsewhere
			return resp, nil
		}
		_ = resp.Body.Close() // of a redirect
		if target, err = redirected(target, resp.Header.Get("Location")); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("more than %d redirects", c.cfg.Redirects)
}

// request is what is sent to one URL.
func (c *Client) request(ctx context.Context, r Request, u *url.URL) (*http.Request, error) {
	req := (&http.Request{Method: r.Method, URL: u, Host: u.Host, Header: http.Header{}}).WithContext(ctx)
	if req.Method == "" {
		req.Method = http.MethodGet
	}
	if r.Body != nil {
		req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(r.Body)), int64(len(r.Body))
	}
	req.Header.Set("User-Agent", "stoker")
	req.Header.Set("Accept-Encoding", "identity")
	add(req.Header, r.Header)
	if u.User != nil {
		password, _ := u.User.Password()
		req.SetBasicAuth(u.User.Username(), password)
	}
	if Origin(u) == Origin(r.URL) {
		add(req.Header, r.Secret)
	}
	for _, credential := range c.credentials {
		if r.Anonymous || !covers(credential.Prefix, u) {
			continue
		}
		value, err := credential.Value(ctx)
		if err != nil {
			return nil, fmt.Errorf("credential for %s: %w", Origin(u), err)
		}
		req.Header.Set(credential.Header, value)
	}
	return req, nil
}

func add(to, from http.Header) {
	for name, values := range from {
		to[http.CanonicalHeaderKey(name)] = values
	}
}

func redirects(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
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
	if to, err = ParseURL(to.String()); err != nil {
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
