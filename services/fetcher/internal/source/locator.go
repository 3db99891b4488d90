package source

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"unicode"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/outbound"
)

// File is one file of a source.
type File struct {
	Name    string // for people: relative to its folder, or as named; a URL without credentials
	Locator Locator
	Type    string // declared resource type; "" is unknown
	Size    int64  // bytes when it was listed, -1 unknown
}

// Skipped is something in a folder that was passed over.
type Skipped struct {
	Name   string
	Reason string
}

// Locator is what is needed to open a file again after a restart. It is stored as JSON and may
// hold credentials, in a URL.
type Locator struct {
	Folder RawPath `json:"folder,omitempty"` // absolute; the folder that was walked
	Path   RawPath `json:"path,omitempty"`   // within the folder, or absolute
	Spool  RawPath `json:"spool,omitempty"`  // within the spool's folder
	URL    string  `json:"url,omitempty"`
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

// Name is a source's name for people, without credentials.
func Name(s fhirmsg.Source) string {
	if s.URL == "" {
		return printable(s.String())
	}
	u, err := outbound.ParseURL(s.URL)
	if err != nil {
		return "a URL that cannot be read"
	}
	return urlName(u)
}

// urlName is a URL without what may be a secret.
func urlName(u *url.URL) string {
	return printable((&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}).String())
}

// printable replaces what a terminal or a database would not take.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '\uFFFD'
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}
