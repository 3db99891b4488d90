package fhirmsg

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Source is where files come from. Exactly one of Path, URL, Manifest, Export, Pull, Spool and
// Delivered is set.
type Source struct {
	Path      string         `json:"path,omitempty"`      // a file or a folder, as the fetcher sees it
	URL       string         `json:"url,omitempty"`       // http or https; or s3://bucket/key, of an object or of what lies below it
	Manifest  string         `json:"manifest,omitempty"`  // http or https, of a list of files, such as $export ends with
	Export    *Export        `json:"export,omitempty"`    // a bulk export, which is started and waited for
	Pull      *Pull          `json:"pull,omitempty"`      // what a FHIR server has of a cohort, page by page
	Spool     string         `json:"spool,omitempty"`     // a file that was handed in, such as standard input
	Delivered *Delivered     `json:"delivered,omitempty"` // messages that a supplier published
	Type      string         `json:"type,omitempty"`      // declared type of every resource in it; "" is unknown
	Headers   []Header       `json:"headers,omitempty"`   // of requests for URL, or for the pull, the export, the manifest and its files
	ETag      string         `json:"etag,omitempty"`      // with an s3 URL: it is of one object, which must have this entity tag
	After     *ManifestPlace `json:"after,omitempty"`     // with manifest: begin behind this place of its chain
	OAuth     []string       `json:"oauth,omitempty"`     // with manifest: URLs of metadata that say where tokens for it and its files are given
}

// ManifestPlace is how far a chain of manifests was imported: up to so many entries of each list of a page. They
// are passed over if they have the digest; if not, the page is another one by now, and read whole.
type ManifestPlace struct {
	Page    string `json:"page"` // URL of the page
	Output  int    `json:"output,omitempty"`
	Deleted int    `json:"deleted,omitempty"`
	Outcome int    `json:"outcome,omitempty"`
	Digest  Hash   `json:"digest"` // of the entries, as the fetcher makes it
}

// Delivered are messages of the stream DELIVER that become one file: those of a supplier from
// the first to the last sequence that name a delivery, or none.
type Delivered struct {
	Supplier string `json:"supplier"`
	Name     string `json:"name,omitempty"` // of [HeaderDelivery]; see [DeliveryName]
	Stream   int64  `json:"stream"`         // when the stream was made, in microseconds since 1970: sequences are of one stream
	First    uint64 `json:"first"`
	Last     uint64 `json:"last"`
	Messages int64  `json:"messages"`
}

// String is the name of the file.
func (d Delivered) String() string {
	name := fmt.Sprintf("messages %d to %d", d.First, d.Last)
	if d.Name != "" {
		name = "delivery " + d.Name + ", " + name
	}
	return name
}

func (d Delivered) check() error {
	switch {
	case CheckName(d.Supplier) != nil || d.Name != DeliveryName(d.Name):
		return errors.New("delivered: not the name of a supplier and a delivery")
	case d.First == 0 || d.Last < d.First || d.Messages < 1:
		return errors.New("delivered: no messages")
	}
	return nil
}

// maxDeliveryName is the greatest length of a delivery's name in bytes.
const maxDeliveryName = 128

// DeliveryName is what a delivery is called that a header names: printable ASCII as it is; any other name, or a longer
// one, by its hash.
func DeliveryName(header string) string {
	for _, c := range []byte(header) {
		if c < ' ' || c > '~' {
			return HashOf([]byte(header)).String()
		}
	}
	if len(header) > maxDeliveryName {
		return HashOf([]byte(header)).String()
	}
	return header
}

// Limits of a [Source].
const (
	MaxURL     = 16 << 10 // bytes
	MaxHeaders = 100
	MaxOAuth   = 10
	maxHeader  = 16 << 10 // bytes of a name and a value
	maxETag    = 1 << 10
)

// Header is a header of HTTP that a server wants. Its value may be a secret.
type Header struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// String is the source for people.
func (s Source) String() string {
	switch {
	case s.Path != "":
		return s.Path
	case s.URL != "":
		return s.URL
	case s.Manifest != "":
		return s.Manifest
	case s.Export != nil:
		return s.Export.URL
	case s.Pull != nil:
		return s.Pull.URL
	case s.Delivered != nil:
		return s.Delivered.String()
	default:
		return s.Spool
	}
}

// IsRemote reports whether the files are at URLs of http or https.
func (s Source) IsRemote() bool {
	return s.URL != "" && !s.isObject() || s.Manifest != "" || s.Export != nil || s.Pull != nil
}

func (s Source) isObject() bool { return strings.HasPrefix(s.URL, "s3://") }

func (s Source) check() error {
	set := 0
	for _, v := range []string{s.Path, s.URL, s.Manifest, s.Spool} {
		if v != "" {
			set++
		}
	}
	if s.Export != nil {
		set++
		if err := s.Export.Check(); err != nil {
			return fmt.Errorf("export: %w", err)
		}
	}
	if s.Pull != nil {
		set++
		if err := s.Pull.Check(); err != nil {
			return fmt.Errorf("pull: %w", err)
		}
	}
	if s.Delivered != nil {
		set++
		if err := s.Delivered.check(); err != nil {
			return err
		}
	}
	if set != 1 {
		return errors.New("set exactly one of path, url, manifest, export, pull, spool, delivered")
	}
	if err := s.checkText(); err != nil {
		return err
	}
	isObject := s.isObject()
	if isObject && len(s.Headers) > 0 {
		return errors.New("headers: not with an s3 URL; its requests are signed")
	}
	if len(s.Headers) > 0 && !s.IsRemote() {
		return errors.New("headers: only with url, manifest, export or pull")
	}
	if s.ETag != "" && !isObject {
		return errors.New("etag: only with an s3 URL")
	}
	if s.After != nil {
		if s.Manifest == "" {
			return errors.New("after: only with manifest")
		}
		if err := s.After.check(); err != nil {
			return fmt.Errorf("after.%w", err)
		}
	}
	if len(s.OAuth) > 0 && s.Manifest == "" || len(s.OAuth) > MaxOAuth {
		return fmt.Errorf("oauth: only with manifest, and at most %d", MaxOAuth)
	}
	for i, raw := range s.OAuth {
		if u, err := url.Parse(raw); err != nil || len(raw) > MaxURL || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
			return fmt.Errorf("oauth[%d]: must be an http or https URL of at most %d bytes", i, MaxURL)
		}
	}
	if len(s.Headers) > MaxHeaders {
		return fmt.Errorf("headers: more than %d", MaxHeaders)
	}
	for i, h := range s.Headers {
		if err := h.Check(); err != nil {
			return fmt.Errorf("headers[%d]: %w", i, err)
		}
	}
	return nil
}

// checkText holds what others wrote to what can be stored and shown. Names of files, which are the operator's, and
// of objects may have any character that PostgreSQL holds.
func (s Source) checkText() error {
	for _, t := range []struct {
		name, text string
		limit      int
	}{{"url", s.URL, MaxURL}, {"manifest", s.Manifest, MaxURL}, {"spool", s.Spool, MaxURL}, {"etag", s.ETag, maxETag}} {
		if len(t.text) > t.limit {
			return fmt.Errorf("%s: more than %d bytes", t.name, t.limit)
		}
		if strings.ContainsRune(t.text, 0) || !s.isObject() && strings.ContainsFunc(t.text, isControl) {
			return fmt.Errorf("%s: must be text without control characters", t.name)
		}
	}
	switch {
	case strings.ContainsRune(s.Path, 0):
		return errors.New("path: must be the name of a file")
	case s.Type != "" && !isTypeName(s.Type):
		return errors.New("type: must be a resource type such as Patient")
	}
	return nil
}

func isControl(c rune) bool { return c < ' ' || c == 0x7f }

func (p ManifestPlace) check() error {
	if len(p.Page) > MaxURL {
		return fmt.Errorf("page: more than %d bytes", MaxURL)
	}
	if u, err := url.Parse(p.Page); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return errors.New("page: not an http or https URL")
	}
	if p.Output < 0 || p.Deleted < 0 || p.Outcome < 0 {
		return errors.New("output, deleted, outcome: must not be negative")
	}
	return nil
}

// ParseHeaders reads lines "Name: value"; empty ones are passed over. Errors tell the line, and no value, which may
// be a secret.
func ParseHeaders(text string) ([]Header, error) {
	var headers []Header
	n := 0
	for line := range strings.Lines(text) {
		n++
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return nil, fmt.Errorf("line %d: want \"Name: value\"", n)
		}
		h := Header{Name: strings.TrimSpace(name), Value: strings.TrimSpace(value)}
		if err := h.Check(); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		headers = append(headers, h)
	}
	return headers, nil
}

// Check reports why a header cannot be sent. The error does not repeat its value.
func (h Header) Check() error {
	if len(h.Name)+len(h.Value) > maxHeader {
		return fmt.Errorf("more than %d bytes", maxHeader)
	}
	const separators = `()<>@,;:\"/[]?={} `
	for _, c := range h.Name { // RFC 9110, section 5.6.2
		if c <= ' ' || c > '~' || strings.ContainsRune(separators, c) {
			return errors.New("the name must be a token of HTTP")
		}
	}
	switch strings.ToLower(h.Name) {
	case "":
		return errors.New("the name is missing")
	case "host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "keep-alive", "proxy-authorization",
		"accept-encoding", "range", "if-range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since":
		return fmt.Errorf("%s is not for others to set", h.Name)
	}
	for _, c := range []byte(h.Value) { // section 5.5
		if c < ' ' && c != '\t' || c == 0x7f {
			return fmt.Errorf("the value of %s has control characters", h.Name)
		}
	}
	return nil
}
