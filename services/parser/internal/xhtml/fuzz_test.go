package xhtml

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzCheck: a place is within the text, and what is right is well-formed for the standard
// library too, with nothing but XHTML's elements in it, and text or an image.
func FuzzCheck(f *testing.F) {
	for _, text := range right {
		f.Add([]byte(text))
	}
	for _, test := range wrong {
		f.Add([]byte(strings.Replace(test.text, "^", "", 1)))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		at, fault := Check(text)
		if at < 0 || at > len(text) {
			t.Fatalf("%q: got place %d of %d", text, at, len(text))
		}
		if fault == "" && utf8.Valid(text) {
			if difference := compareWithStandardLibrary(text); difference != "" {
				t.Fatalf("%q is right, but %s", text, difference)
			}
		}
	})
}

// compareWithStandardLibrary returns what encoding/xml has against a text, or "".
func compareWithStandardLibrary(text []byte) string {
	hasContent := false
	for d := xml.NewDecoder(bytes.NewReader(text)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			if !hasContent {
				return "has no content"
			}
			return ""
		}
		if err != nil {
			return err.Error()
		}
		switch token := token.(type) {
		case xml.StartElement:
			if token.Name.Space != namespace {
				return "has the namespace " + token.Name.Space
			}
			seen := map[xml.Name]bool{}
			for _, a := range token.Attr {
				if seen[a.Name] {
					return "has an attribute twice"
				}
				seen[a.Name] = true
				hasContent = hasContent || token.Name.Local == "img" && a.Name.Local == "src"
				if strings.HasPrefix(a.Name.Local, "on") {
					return "has a handler"
				}
				if a.Name.Local == "href" && strings.HasPrefix(strings.ToLower(strings.TrimLeft(a.Value, "\t\n\r ")), "javascript:") {
					return "has a script as address"
				}
			}
		case xml.CharData:
			hasContent = hasContent || strings.Trim(string(token), " \t\r\n") != ""
		case xml.ProcInst, xml.Directive:
			return "has markup that is refused"
		}
	}
}

// TestLong: time is linear in the length. It would be an hour for these if it were not.
func TestLong(t *testing.T) {
	t.Parallel()
	const n = 1 << 18
	for _, part := range []string{
		"a", " ", "&lt;", "&#65;", "&#0000", "&", "<b>", "<b>a</b>", "<br/>", "<!-- a -->", "<!-- ", "-", "]", "]]&gt;", "\u00a0", "\uFFFD",
		`<p class="a"/>`, `<p class="`, ` class="`, ` xmlns:a=""`, "<p ", `<a href="javascript`, `<a href="`, `<a href=" `, "&#9;", "<", "</div>",
	} {
		for _, before := range []string{root, root + "<p ", root + `<a href="`, root + "<!--", ""} {
			text := before + strings.Repeat(part, n/len(part))
			if at, _ := Check([]byte(text)); at > len(text) {
				t.Errorf("%q, repeated: got place %d of %d", part, at, len(text))
			}
		}
	}
}
