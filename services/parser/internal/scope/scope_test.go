package scope

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/services/parser/internal/datatest"
	"github.com/stoker-fhir/stoker/services/parser/internal/key"
	"github.com/stoker-fhir/stoker/services/parser/internal/resource"
)

func newScoper(base string) *Scoper {
	return New(fhirmsg.Import{Supplier: "clinic-a", FHIRVersion: fhirmsg.FHIRVersionR4, Base: base}, key.NewMaker("clinic-a"))
}

// id is what a resource of the supplier is called.
func id(mention string) string {
	typ, rest, _ := strings.Cut(mention, "/")
	return string(key.NewMaker("clinic-a").Scoped([]byte(typ), []byte(rest)))
}

// marked is a text in which <Type/id> stands for the id of that resource.
var marked = regexp.MustCompile(`<[A-Za-z]+/[^>]+>`)

func expand(s string) string {
	return marked.ReplaceAllStringFunc(s, func(m string) string { return id(m[1 : len(m)-1]) })
}

// TestMentions: every kind of reference, alike in a member reference and, where it may be one, in an
// attachment's address. A text is as in JSON.
func TestMentions(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text, want string // want "": untouched
		url              string // in a member url; "-": untouched, "": as want
	}{
		{"relative", `Patient/1`, `Patient/<Patient/1>`, ""},
		{"versioned", `Patient/1/_history/2`, `Patient/<Patient/1>/_history/2`, ""},
		{"binary", `Binary/x.y-Z`, `Binary/<Binary/x.y-Z>`, ""},
		{"escaped", `Patient\/1`, `Patient/<Patient/1>`, ""},
		{"escaped otherwise", `\u0050atient/\u0031`, `Patient/<Patient/1>`, ""},
		{"unusual id", `Patient/a_b`, `Patient/<Patient/a_b>`, ""},
		{"encoded id", `Patient/a%20b`, `Patient/<Patient/a b>`, ""},
		{"fragment of another", `Patient/1#a`, `Patient/<Patient/1>#a`, ""},
		{"own base", `https://a.example/fhir/Patient/1`, `https://a.example/fhir/Patient/<Patient/1>`, "-"},
		{"own base, versioned", `https://a.example/fhir/Patient/1/_history/2`, `https://a.example/fhir/Patient/<Patient/1>/_history/2`, "-"},
		{"own base, binary", `https://a.example/fhir/Binary/1`, `https://a.example/fhir/Binary/<Binary/1>`, ""},
		{"own base, escaped", `https:\/\/a.example\/fhir\/Patient\/1`, `https://a.example/fhir/Patient/<Patient/1>`, "-"},
		{"other base", `https://b.example/fhir/Patient/1`, "", ""},
		{"longer base", `https://a.example/fhir2/Patient/1`, "", ""},
		{"within the base", `https://a.example/fhir/x/Patient/1`, "", ""},
		{"the base's host", `https://a.example/Patient/1`, "", ""},
		{"contained", `#p`, "", ""},
		{"container", `#`, "", ""},
		{"conditional", `Patient?identifier=http://a.example|Patient/1`, "", ""},
		{"conditional, own base", `https://a.example/fhir/Patient?identifier=1`, "", ""},
		{"uuid", `urn:uuid:c757873d-ec9a-4326-a141-556f43239520`, "", ""},
		{"oid", `urn:oid:1.2.3`, "", ""},
		{"no type", `Nonsense/1`, "", ""},
		{"type alone", `Patient`, "", ""},
		{"no id", `Patient/`, "", ""},
		{"search", `Patient/_search?name=a`, "", ""},
		{"operation", `Patient/$match`, "", ""},
		{"operation of one", `Patient/1/$everything`, `Patient/<Patient/1>/$everything`, ""},
		{"longer", `Patient/1/Observation/2`, "", ""},
		{"from the root", `/Patient/1`, "", ""},
		{"a file", `documents/1.pdf`, "", ""},
		{"an id that no row has", `Patient/a%2Fb`, "", ""},
		{"percent sign", `Patient/a%2`, `Patient/<Patient/a%2>`, ""},
		{"underscore", `Patient/_a`, `Patient/<Patient/_a>`, ""},
		{"history of a type", `Patient/_history`, "", ""},
		{"empty", ``, "", ""},
		{"quotes", `Patient/1/_history/\"\\\u0001`, `Patient/<Patient/1>/_history/\"\\\u0001`, ""},
	}
	for _, tt := range tests {
		for _, member := range []string{"reference", "url"} {
			want := tt.want
			if member == "url" && tt.url == "-" || want == "" {
				want = tt.text
			}
			doc := `{"resourceType":"Observation","id":"o","x":[{"` + member + `":"` + tt.text + `","y":1}]}`
			got, hash, err := newScoper("https://a.example/fhir/").Rewrite([]byte(doc))
			wanted := expand(`{"resourceType":"Observation","id":"<Observation/o>","x":[{"` + member + `":"` + want + `","y":1}]}`)
			if err != nil || string(got) != wanted || hash != fhirmsg.HashOf(got) {
				t.Errorf("%s in %s: %v\ngot  %s\nwant %s", tt.name, member, err, got, wanted)
			}
		}
	}
}

// TestDocuments: what is rewritten depends on where it is.
func TestDocuments(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, doc, want string }{
		{"id last", `{"x":{"id":"e"},"resourceType":"Patient","id":"1"}`, `{"x":{"id":"e"},"resourceType":"Patient","id":"<Patient/1>"}`},
		{"id first", `{"id":"1","resourceType":"Patient"}`, `{"id":"<Patient/1>","resourceType":"Patient"}`},
		{"no id", `{"resourceType":"Patient"}`, `{"resourceType":"Patient"}`},
		{"white space", "{ \"id\" : \"1\",\n\t\"resourceType\":\"Patient\" }", "{ \"id\" : \"<Patient/1>\",\n\t\"resourceType\":\"Patient\" }"},
		{
			"canonicals",
			`{"resourceType":"ValueSet","id":"v","url":"https://a.example/fhir/ValueSet/v","meta":{"profile":["Patient/1"]},"x":{"url":"https://a.example/fhir/StructureDefinition/e","valueCanonical":"ValueSet/v","valueUri":"Patient/1"}}`,
			`{"resourceType":"ValueSet","id":"<ValueSet/v>","url":"https://a.example/fhir/ValueSet/v","meta":{"profile":["Patient/1"]},"x":{"url":"https://a.example/fhir/StructureDefinition/e","valueCanonical":"ValueSet/v","valueUri":"Patient/1"}}`,
		},
		{"relative name of a canonical", `{"resourceType":"ValueSet","id":"v","url":"ValueSet/v"}`, `{"resourceType":"ValueSet","id":"<ValueSet/v>","url":"ValueSet/v"}`},
		{
			"extension",
			`{"resourceType":"Patient","id":"1","extension":[{"url":"Binary/1","extension":[{"url":"Patient/1","valueReference":{"reference":"Patient/1"}}]}],"modifierExtension":[{"url":"Binary/1","valueAttachment":{"url":"Binary/1"}}]}`,
			`{"resourceType":"Patient","id":"<Patient/1>","extension":[{"url":"Binary/1","extension":[{"url":"Patient/1","valueReference":{"reference":"Patient/<Patient/1>"}}]}],"modifierExtension":[{"url":"Binary/1","valueAttachment":{"url":"Binary/<Binary/1>"}}]}`,
		},
		{
			"logical",
			`{"resourceType":"Observation","id":"o","subject":{"type":"Patient","identifier":{"system":"s","value":"Patient/1"},"display":"Patient/1"}}`,
			`{"resourceType":"Observation","id":"<Observation/o>","subject":{"type":"Patient","identifier":{"system":"s","value":"Patient/1"},"display":"Patient/1"}}`,
		},
		{
			"contained",
			`{"resourceType":"Observation","id":"o","contained":[{"resourceType":"Patient","id":"p","link":[{"other":{"reference":"Patient/1"}}],"url":"Patient/1"}],"subject":{"reference":"#p"}}`,
			`{"resourceType":"Observation","id":"<Observation/o>","contained":[{"resourceType":"Patient","id":"p","link":[{"other":{"reference":"Patient/<Patient/1>"}}],"url":"Patient/1"}],"subject":{"reference":"#p"}}`,
		},
		{
			"Bundle",
			`{"resourceType":"Bundle","id":"b","type":"document","entry":[{"fullUrl":"https://a.example/fhir/Patient/1","resource":{"resourceType":"Patient","id":"1"}},` +
				`{"fullUrl":"urn:uuid:c757873d-ec9a-4326-a141-556f43239520","resource":{"resourceType":"Observation","id":"o","subject":{"reference":"Patient/1"}},"request":{"method":"PUT","url":"Observation/o"}},` +
				`{"fullUrl":"https://b.example/Patient/1","request":{"method":"DELETE","url":"Patient?a=b"}}]}`,
			`{"resourceType":"Bundle","id":"<Bundle/b>","type":"document","entry":[{"fullUrl":"https://a.example/fhir/Patient/<Patient/1>","resource":{"resourceType":"Patient","id":"<Patient/1>"}},` +
				`{"fullUrl":"urn:uuid:c757873d-ec9a-4326-a141-556f43239520","resource":{"resourceType":"Observation","id":"<Observation/o>","subject":{"reference":"Patient/<Patient/1>"}},"request":{"method":"PUT","url":"Observation/<Observation/o>"}},` +
				`{"fullUrl":"https://b.example/Patient/1","request":{"method":"DELETE","url":"Patient?a=b"}}]}`,
		},
		{
			"Parameters",
			`{"resourceType":"Parameters","id":"p","parameter":[{"name":"a","resource":{"id":"1","resourceType":"Patient"}}]}`,
			`{"resourceType":"Parameters","id":"<Parameters/p>","parameter":[{"name":"a","resource":{"id":"<Patient/1>","resourceType":"Patient"}}]}`,
		},
		{
			"a resource that is none",
			`{"resourceType":"CapabilityStatement","id":"c","rest":[{"resource":[{"type":"Patient","id":"x"}]}]}`,
			`{"resourceType":"CapabilityStatement","id":"<CapabilityStatement/c>","rest":[{"resource":[{"type":"Patient","id":"x"}]}]}`,
		},
		{
			"no strings",
			`{"resourceType":"Observation","id":"o","reference":{"reference":["Patient/1",null,1.5e3,true,false,{},[]]},"url":1}`,
			`{"resourceType":"Observation","id":"<Observation/o>","reference":{"reference":["Patient/1",null,1.5e3,true,false,{},[]]},"url":1}`,
		},
	}
	for _, tt := range tests {
		s := newScoper("https://a.example/fhir")
		got, hash, err := s.Rewrite([]byte(tt.doc))
		if want := expand(tt.want); err != nil || string(got) != want {
			t.Errorf("%s: %v\ngot  %s\nwant %s", tt.name, err, got, want)
			continue
		}
		var r resource.Reader
		if _, err := r.Read(got, false); err != nil || r.Hash() != hash {
			t.Errorf("%s: hash %s, of what is rewritten %s, %v", tt.name, hash, r.Hash(), err)
		}
	}
	for _, doc := range []string{"", "{", `{"a":}`, `{"a":1`, `[1 2]`, `{"a":1}x`} {
		if got, _, err := newScoper("").Rewrite([]byte(doc)); err == nil {
			t.Errorf("%q, which nobody read: %s", doc, got)
		}
	}
}

// TestSuppliersAreApart: the same resource of two suppliers has two ids, and without a base no
// absolute address is anybody's own.
func TestSuppliersAreApart(t *testing.T) {
	t.Parallel()
	doc := []byte(`{"resourceType":"Patient","id":"1","link":[{"other":{"reference":"https://a.example/fhir/Patient/2"}}]}`)
	a, _, err := newScoper("").Rewrite(doc)
	if err != nil || !bytes.Contains(a, []byte("fhir/Patient/2")) {
		t.Errorf("%s, %v", a, err)
	}
	a = bytes.Clone(a)
	b, _, err := New(fhirmsg.Import{FHIRVersion: fhirmsg.FHIRVersionR4}, key.NewMaker("clinic-b")).Rewrite(doc)
	if err != nil || bytes.Equal(a, b) {
		t.Errorf("%s, %v", b, err)
	}
}

// TestSamples: in every official example and every supplier's data, each mention that is rewritten is one of the id that a resource
// called so would have, and nothing else changes.
func TestSamples(t *testing.T) {
	t.Parallel()
	s := newScoper("")
	documents, mentions := 0, 0
	err := datatest.Each(func(path string, all []byte) {
		for line := range bytes.Lines(all) {
			var r resource.Reader
			text := bytes.TrimSpace(line)
			d, err := r.Read(text, false)
			if err != nil {
				if d, err = r.Read(bytes.TrimSpace(all), false); err != nil {
					return
				}
				text = bytes.TrimSpace(all)
			}
			got, _, err := s.Rewrite(text[d.Start:d.End])
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			documents++
			mentions += compare(t, path, text[d.Start:d.End], got)
			if len(text) != len(bytes.TrimSpace(line)) {
				return // it was one document
			}
		}
	}, "r4-examples", "suppliers")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d documents, %d mentions rewritten", documents, mentions)
	if mentions < 10_000 {
		t.Errorf("only %d mentions were rewritten", mentions)
	}
}

// compare holds a rewritten document against the original, and returns how many references changed.
func compare(t *testing.T, path string, before, after []byte) (changed int) {
	t.Helper()
	var a, b any
	if json.Unmarshal(before, &a) != nil || json.Unmarshal(after, &b) != nil {
		t.Errorf("%s: not JSON any more", path)
		return 0
	}
	var walk func(a, b any, name, typ string)
	walk = func(a, b any, name, typ string) {
		switch a := a.(type) {
		case map[string]any:
			b, ok := b.(map[string]any)
			if !ok || len(a) != len(b) {
				t.Errorf("%s: %s changed its form", path, name)
				return
			}
			typ, _ := a["resourceType"].(string)
			for k := range a {
				walk(a[k], b[k], k, typ)
			}
		case []any:
			b, ok := b.([]any)
			if !ok || len(a) != len(b) {
				t.Errorf("%s: %s changed its form", path, name)
				return
			}
			for i := range a {
				walk(a[i], b[i], name, "")
			}
		case string:
			b, _ := b.(string)
			switch {
			case a == b:
			case name == "id" && typ != "" && b == id(typ+"/"+a):
			case name == "reference" || name == "url" || name == "fullUrl":
				changed++
				parts := strings.Split(a, "/")
				if len(parts) < 2 || strings.Split(b, "/")[1] != id(parts[0]+"/"+strings.SplitN(parts[1], "#", 2)[0]) {
					t.Errorf("%s: %s %s became %s", path, name, a, b)
				}
			default:
				t.Errorf("%s: %s %q became %q", path, name, a, b)
			}
		default:
			if a != b {
				t.Errorf("%s: %s %v became %v", path, name, a, b)
			}
		}
	}
	walk(a, b, "", "")
	return changed
}

// FuzzRewrite: what was read without error can be rewritten, and is read without error then; the form stays.
func FuzzRewrite(f *testing.F) {
	for _, doc := range []string{
		`{"resourceType":"Patient","id":"1","a":[{"reference":"Patient/1"},{"url":"Binary\/2"}]}`,
		`{"resourceType":"Bundle","entry":[{"fullUrl":"https://a.example/fhir/Patient/1","resource":{"id":"1","resourceType":"Patient"}}]}`,
		` { "reference" : "Patient/\u0031/_history/\"" } `, `[]`, `"x"`, `1`,
	} {
		f.Add([]byte(doc))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		var r resource.Reader
		d, err := r.Read(doc, false)
		if err != nil {
			return
		}
		got, hash, err := newScoper("https://a.example/fhir").Rewrite(doc[d.Start:d.End])
		if err != nil {
			t.Fatalf("%q: %v", doc, err)
		}
		if _, err := r.Read(got, false); err != nil || r.Hash() != hash {
			t.Fatalf("%q became %q: %v", doc, got, err)
		}
	})
}
