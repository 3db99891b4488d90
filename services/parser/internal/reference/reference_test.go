package reference

import (
	"strings"
	"testing"
)

var references = []struct {
	text  string
	kind  Kind
	typ   string
	id    string
	more  string // version or query
	fault string
}{
	{text: "#a", kind: Fragment, id: "a"},
	{text: "#", kind: Fragment},
	{text: "#a/b", kind: Fragment, id: "a/b"},
	{text: "Patient/1", kind: Relative, typ: "Patient", id: "1"},
	{text: "Patient/a-B.9", kind: Relative, typ: "Patient", id: "a-B.9"},
	{text: "Patient/1/_history/2", kind: Relative, typ: "Patient", id: "1", more: "2"},
	{text: "Nonsense/1", kind: Relative, typ: "Nonsense", id: "1"}, // the caller knows the types
	{text: "Patient/" + strings.Repeat("a", 65), kind: Relative, typ: "Patient", id: strings.Repeat("a", 65)},
	{text: "http://example.org/fhir/Patient/1", kind: Absolute, typ: "Patient", id: "1"},
	{text: "https://example.org/Patient/1/_history/2", kind: Absolute, typ: "Patient", id: "1", more: "2"},
	{text: "HTTP://example.org:8080/a/Patient/1", kind: Absolute, typ: "Patient", id: "1"},
	{text: "http://example.org/fhir/patient/1", kind: Absolute},
	{text: "http://example.org/Patient", kind: Absolute},
	{text: "http://example.org/Patient/", kind: Absolute},
	{text: "http://example.org/Patient/1#a", kind: Absolute},
	{text: "http://example.org/Patient?identifier=1", kind: Absolute},
	{text: "http://example.org?a=/Patient/1", kind: Absolute},
	{text: "http://example.org/#/Patient/1", kind: Absolute},
	{text: "http://example.org/a.pdf", kind: Absolute},
	{text: "http://example.org", kind: Absolute},
	{text: "http://Patient/1", kind: Absolute}, // that is a host
	{text: "http://Patient/1/_history/2", kind: Absolute},
	{text: "urn:uuid:c757873d-ec9a-4326-a141-556f43239520", kind: URN},
	{text: "urn:uuid:C757873D-EC9A-4326-A141-556F43239520", kind: URN},
	{text: "urn:oid:1.2.3", kind: URN},
	{text: "urn:foobar:patient:1", kind: URN},
	{text: "mailto:a@b.example", kind: Other},
	{text: "cid:part", kind: Other},
	{text: "ldap://example.org/cn=a", kind: Other},
	{text: "Patient?identifier=http://example.org|1", kind: Conditional, typ: "Patient", more: "identifier=http://example.org|1"},
	{text: "Patient?a=b/c#d", kind: Conditional, typ: "Patient", more: "a=b/c#d"},

	{text: "", fault: wantReference},
	{text: "1", fault: wantReference},
	{text: "Patient", fault: wantReference},
	{text: "Patient/", fault: wantReference},
	{text: "/Patient/1", fault: wantReference},
	{text: "patient/1", fault: wantReference},
	{text: "P/1", fault: wantReference},
	{text: "Patient1/1", fault: wantReference},
	{text: "Patient/a_b", fault: wantReference},
	{text: "Patient/1/", fault: wantReference},
	{text: "Patient/1/2", fault: wantReference},
	{text: "Patient/1/_history", fault: wantReference},
	{text: "Patient/1/_history/", fault: wantReference},
	{text: "Patient/1/_history/2/3", fault: wantReference},
	{text: "Patient//_history/2", fault: wantReference},
	{text: "Patient/1#a", fault: wantReference},
	{text: "Patient/1?a=b", fault: wantReference},
	{text: "Patient#a", fault: wantReference},
	{text: "fhir/Patient/1", fault: wantReference},
	{text: "Patient:1", fault: wantReference},
	{text: "1:2", fault: wantReference},
	{text: ":a", fault: wantReference},
	{text: "mailto:", fault: wantReference},
	{text: "patient?a=b", fault: wantReference},
	{text: "?a=b", fault: wantReference},
	{text: "Patient?", fault: wantQuery},
	{text: "Patient/1 ", fault: wantNoSpace},
	{text: " Patient/1", fault: wantNoSpace},
	{text: "#a b", fault: wantNoSpace},
	{text: "http://example.org/a b", fault: wantNoSpace},
	{text: "Patient?name=a b", fault: wantNoSpace},
	{text: "http:", fault: wantHost},
	{text: "http://", fault: wantHost},
	{text: "http:///Patient/1", fault: wantHost},
	{text: "http:Patient/1", fault: wantHost},
	{text: "https://?a", fault: wantHost},
	{text: "urn:", fault: wantURN},
	{text: "urn:a", fault: wantURN},
	{text: "urn::a", fault: wantURN},
	{text: "urn:uuid:", fault: wantURN},
	{text: "urn:uuid:1", fault: wantUUID},
	{text: "urn:uuid:c757873dec9a4326a141556f43239520", fault: wantUUID},
	{text: "urn:uuid:g757873d-ec9a-4326-a141-556f43239520", fault: wantUUID},
	{text: "urn:oid:1.02", fault: wantOID},
	{text: "urn:oid:a", fault: wantOID},
}

func TestParse(t *testing.T) {
	t.Parallel()
	for _, test := range references {
		got := Parse([]byte(test.text))
		more := string(got.Version) + string(got.Query)
		if got.Kind != test.kind || string(got.Type) != test.typ || string(got.ID) != test.id || more != test.more || got.Fault != test.fault {
			t.Errorf("%q: got kind %d, type %q, id %q, more %q, fault %q; want %+v", test.text, got.Kind, got.Type, got.ID, more, got.Fault, test)
		}
	}
}

func TestParseAllocatesNothing(t *testing.T) {
	texts := make([][]byte, len(references))
	for i, test := range references {
		texts[i] = []byte(test.text)
	}
	if n := testing.AllocsPerRun(10, func() {
		for _, text := range texts {
			Parse(text)
		}
	}); n != 0 {
		t.Errorf("got %v allocations, want none", n)
	}
}

// FuzzParse: a text has a kind or a fault, never both, and what is read is part of it.
func FuzzParse(f *testing.F) {
	for _, test := range references {
		f.Add(test.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := Parse([]byte(text))
		if (got.Kind == None) == (got.Fault == "") {
			t.Errorf("%q: got kind %d and fault %q", text, got.Kind, got.Fault)
		}
		var again string
		switch relative := string(got.Type) + "/" + string(got.ID); got.Kind {
		case Fragment:
			again = "#" + string(got.ID)
		case Conditional:
			again = string(got.Type) + "?" + string(got.Query)
		case Relative, Absolute:
			if again = relative; got.Version != nil {
				again += "/_history/" + string(got.Version)
			}
		default:
			return
		}
		if got.Kind == Absolute {
			if got.Type != nil && !strings.HasSuffix(text, "/"+again) {
				t.Errorf("%q: got %q, want its end", text, again)
			}
		} else if again != text {
			t.Errorf("got %q, want %q", again, text)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	for _, text := range []string{
		"Patient/0a08fbc4-ba6a-40b5-b8af-9a18ddddaf1e",
		"urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
		"http://example.org/fhir/Patient/0a08fbc4-ba6a-40b5-b8af-9a18ddddaf1e",
		"Practitioner?identifier=http://hl7.org/fhir/sid/us-npi|9999999959",
	} {
		kind, _, _ := strings.Cut(text, ":")
		b.Run(kind[:min(len(kind), 12)], func(b *testing.B) {
			reference := []byte(text)
			b.SetBytes(int64(len(reference)))
			b.ReportAllocs()
			for b.Loop() {
				if r := Parse(reference); r.Fault != "" {
					b.Fatal(r.Fault)
				}
			}
		})
	}
}
