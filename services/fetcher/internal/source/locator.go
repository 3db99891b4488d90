package source

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"path"
	"strings"
	"unicode"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/outbound"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/manifest"
)

// File is one file of a source.
type File struct {
	Name    string // for people: relative to its folder, or as named; a URL without credentials
	Locator Locator
	Type    string // declared resource type; "" is unknown
	Size    int64  // bytes when it was listed, -1 unknown

	Problem string // why it cannot be opened; "": nothing known

	// As a manifest says.
	Kind  manifest.Kind
	Count *int64 // of resources; nil is unknown
	AsOf  *int64 // its transaction time, microseconds since 1970; nil is unknown

	Subsetted []string // types of which its resources are incomplete; "*" is all
}

// Skipped is something in a folder that was passed over.
type Skipped struct {
	Name   string
	Reason string
}

// Locator is what is needed to open a file again after a restart. It is stored as JSON and may
// hold credentials, in a URL and in headers.
type Locator struct {
	Folder RawPath `json:"folder,omitempty"` // absolute; the folder that was walked
	Path   RawPath `json:"path,omitempty"`   // within the folder, or absolute
	Spool  RawPath `json:"spool,omitempty"`  // within the spool's folder
	URL    string  `json:"url,omitempty"`
	Object *Object `json:"object,omitempty"`

	Delivered *fhirmsg.Delivered `json:"delivered,omitempty"` // messages of the queue, always ndjson

	Pull *Pull `json:"pull,omitempty"` // of the FHIR server at URL

	Headers   []fhirmsg.Header `json:"headers,omitempty"`   // of requests
	Home      string           `json:"home,omitempty"`      // the origin that the headers were given for; "": the URL's
	Anonymous bool             `json:"anonymous,omitempty"` // the manifest says that no token is to be sent
	Listed    *Listed          `json:"listed,omitempty"`    // where; nil: in no manifest
	Asked     *Asked           `json:"asked,omitempty"`     // of the export that it is of; nil: of none
}

// Asked is what an export was asked for, by which is noticed whether its server heeds it.
type Asked struct {
	Types []string `json:"types,omitempty"` // none: all
	Since int64    `json:"since,omitempty"` // microseconds since 1970; 0: all
}

// RawPath is a path of the operating system, where names are bytes. JSON has only text, so
// what is not UTF-8 is stored as base64.
type RawPath string

const base64Prefix = "base64:"

// MarshalText keeps bytes that are not UTF-8.
func (p RawPath) MarshalText() ([]byte, error) {
	s := string(p)
	if s == strings.ToValidUTF8(s, "\uFFFD") && !strings.HasPrefix(s, base64Prefix) {
		return []byte(s), nil
	}
	return []byte(base64Prefix + base64.StdEncoding.EncodeToString([]byte(s))), nil
}

// UnmarshalText reads what MarshalText wrote.
func (p *RawPath) UnmarshalText(text []byte) error {
	encoded, ok := strings.CutPrefix(string(text), base64Prefix)
	if !ok {
		*p = RawPath(text)
		return nil
	}
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return fmt.Errorf("path: %w", err)
	}
	*p = RawPath(raw)
	return nil
}

// Name is a source's name for people, without credentials. What was handed in is named as its supplier did.
func Name(s fhirmsg.Source) string {
	if s.Spool != "" {
		return printable(path.Base(s.Spool))
	}
	if !s.IsRemote() {
		return printable(s.String())
	}
	u, err := outbound.ParseURL(s.String())
	if err != nil {
		return "a URL that cannot be read"
	}
	return urlName(u)
}

// urlName is a URL without what may be a secret.
func urlName(u *url.URL) string {
	return printable((&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}).String())
}

// maxName is how much of a name is shown, in bytes: a database's index takes no more than a few times that.
const maxName = 1000

// printable replaces what a terminal or a database would not take.
func printable(s string) string {
	if len(s) > maxName {
		s = s[:maxName/2] + "…" + s[len(s)-maxName/2:]
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '\uFFFD'
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}
