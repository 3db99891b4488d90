package manifest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/stoker-fhir/stoker/pkg/outbound"
)

// lists are the members of a manifest that list files.
var lists = map[string]Kind{
	"output": Resources, "input": Resources, "inputs": Resources,
	"deleted": Deleted,
	"outcome": Outcome, "error": Outcome,
}

// Read reads a manifest that was found at base, which its URLs are relative to. Errors say where in
// the manifest and what is wrong, and that it is over a limit.
func Read(content []byte, base *url.URL) (Manifest, error) {
	r := reader{base: base, dec: json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(content, []byte("\ufeff"))))}
	if len(content) > MaxSize {
		return Manifest{}, fmt.Errorf("manifest: more than %d bytes", MaxSize)
	}
	err := r.object()
	if err == nil {
		err = r.end()
	}
	if err == nil && !r.listed && !r.linked { // the first of a chain may list none
		err = errors.New("it lists no files: expected output, deleted or input")
	}
	if err != nil {
		return Manifest{}, fmt.Errorf("manifest: %w", withoutContent(err))
	}
	for _, kind := range []Kind{Resources, Deleted, Outcome} {
		for _, f := range r.files {
			if f.Kind == kind {
				r.manifest.Files = append(r.manifest.Files, f)
			}
		}
	}
	return r.manifest, nil
}

// withoutContent drops what a JSON error repeats of the content.
func withoutContent(err error) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Errorf("not JSON at byte %d", syntax.Offset)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the JSON ends in its middle")
	}
	return err
}

// reader reads a manifest from its beginning to its end, without holding more of it than what counts.
type reader struct {
	base     *url.URL
	dec      *json.Decoder
	manifest Manifest
	files    []File
	listed   bool
	linked   bool
}

// object reads the manifest's members.
func (r *reader) object() error {
	if start, err := r.dec.Token(); err != nil {
		return err
	} else if start != json.Delim('{') {
		return errors.New("expected an object")
	}
	for r.dec.More() {
		name, err := r.dec.Token()
		if err != nil {
			return err
		}
		if err := r.member(fmt.Sprint(name)); err != nil {
			return err
		}
	}
	_, err := r.dec.Token()
	return err
}

// end sees to it that nothing follows.
func (r *reader) end() error {
	if _, err := r.dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one JSON value")
	}
	return nil
}

func (r *reader) member(name string) error {
	take := r.taker(name)
	switch {
	case take != nil:
		r.listed = r.listed || name != "link"
		return r.list(name, func(place string) error {
			var e entry
			if err := decode(r.dec, &e); err != nil {
				return err
			}
			return take(place, e)
		})
	case name == "parameter":
		return r.list(name, r.parameter)
	}
	var value json.RawMessage
	if err := r.dec.Decode(&value); err != nil {
		return err
	}
	return r.scalar(name, value)
}

// taker is what takes the elements of a list; nil for what is none.
func (r *reader) taker(name string) func(place string, e entry) error {
	if kind, ok := lists[name]; ok {
		return func(place string, e entry) error { return r.file(kind, place, e) }
	}
	if name == "link" {
		return r.link
	}
	return nil
}

func (r *reader) scalar(name string, value json.RawMessage) error {
	switch name {
	case "resourceType":
		if text(value) != "Parameters" {
			return errors.New("resourceType: expected a manifest, or Parameters; got another resource")
		}
	case "transactionTime":
		r.manifest.TransactionTime = instant(text(value))
	case "epochStartTime":
		r.manifest.Epoch = instant(text(value))
	case "request":
		r.manifest.Request = text(value)
	case "requiresAccessToken":
		r.manifest.Anonymous = text(value) == "false"
	}
	return nil
}

// instant reads FHIR's instant; zero if it is none.
func instant(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// list reads a list one element at a time. null counts as an empty one.
func (r *reader) list(name string, take func(place string) error) error {
	start, err := r.dec.Token()
	switch {
	case err != nil:
		return err
	case start == nil:
		return nil
	case start != json.Delim('['):
		return fmt.Errorf("%s: expected a list", name)
	}
	for i := 0; r.dec.More(); i++ {
		if err := take(fmt.Sprintf("%s[%d]", name, i)); err != nil {
			return err
		}
	}
	_, err = r.dec.Token()
	return err
}

// decode reads one value, whose members of the wrong type stay empty.
func decode(d *json.Decoder, v any) error {
	var shape *json.UnmarshalTypeError
	if err := d.Decode(v); err != nil && !errors.As(err, &shape) {
		return err
	}
	return nil
}

// file takes one file.
func (r *reader) file(kind Kind, place string, e entry) error {
	r.listed = true
	if len(r.files) == MaxFiles {
		return fmt.Errorf("%s: more than %d files", place, MaxFiles)
	}
	f := File{
		Kind: kind, Place: place, Type: TypeName(cmp.Or(text(e.Type), text(e.ResourceType))), Count: number(e.Count), Size: number(e.FileSize),
	}
	var err error
	if f.URL, err = r.resolve(text(e.URL)); err != nil {
		f.Problem = fmt.Sprintf("%s.url: %v", place, err)
	}
	r.files = append(r.files, f)
	return nil
}

// TypeName is what may be the name of a resource type, or "".
func TypeName(s string) string {
	other := func(c rune) bool { return (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') }
	if len(s) > 64 || strings.ContainsFunc(s, other) {
		return ""
	}
	return s
}

// resolve makes a URL absolute. Errors do not repeat it.
func (r *reader) resolve(raw string) (*url.URL, error) {
	switch {
	case raw == "":
		return nil, errors.New("missing")
	case len(raw) > MaxURL:
		return nil, fmt.Errorf("longer than %d bytes", MaxURL)
	}
	u, err := r.base.Parse(raw)
	if err != nil {
		return nil, errors.New("not a URL")
	}
	u.Fragment, u.RawFragment = "", ""
	return outbound.ParseURL(u.String())
}

// link takes a link to the next page; others are not followed.
func (r *reader) link(place string, e entry) error {
	if text(e.Relation) != "next" {
		return nil
	}
	if r.linked {
		return fmt.Errorf("%s: more than one link to a next manifest", place)
	}
	r.linked = true
	switch raw := text(e.URL); raw {
	case "#pending":
		r.manifest.Pending = true
	case "#closed":
		r.manifest.Closed = true
	default:
		u, err := r.resolve(raw)
		if err != nil {
			return fmt.Errorf("%s.url: %w", place, err)
		}
		r.manifest.Next = u
	}
	return nil
}
