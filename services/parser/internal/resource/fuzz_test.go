package resource

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stoker-fhir/stoker/services/parser/internal/datatest"
	"github.com/stoker-fhir/stoker/services/parser/internal/lex"
)

// FuzzRead: the verdict agrees with encoding/json save where it is stricter, compacting
// changes no value, and walking over what was accepted finds what is there.
func FuzzRead(f *testing.F) {
	files, err := datatest.Files("json-parsing")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range files {
		if doc, err := os.ReadFile(path); err == nil && strings.HasSuffix(path, ".json") && len(doc) < 1000 {
			f.Add(doc)
		}
	}
	f.Add([]byte(`{"resourceType":"Bundle","id":"a","meta":{"tag":[{"system":"http://hl7.org/fhir/v3/ObservationValue","code":"SUBSETTED"}]},"entry":[{"b":{"reference":"urn:uuid:c"}}]}`))
	f.Add([]byte(` { "parameter" : [ { "name" : "header" } ] , "\ud834\udd1e" : [ -1.5E-10 , "\u00e9" ] } `))
	f.Fuzz(func(t *testing.T, doc []byte) {
		var s Reader
		d, err := s.Read(doc, false)
		if difference := compareWithStandardLibrary(doc, err); difference != "" {
			t.Fatalf("%q: %s", doc, difference)
		}
		if err != nil {
			return
		}
		var want bytes.Buffer
		if err := json.Compact(&want, doc); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(s.Compact(), want.Bytes()) {
			t.Fatalf("%q: compact %q, want %q", doc, s.Compact(), want.Bytes())
		}
		checkAgainstMap(t, doc, d)
	})
}

// FuzzCheck: checking ends, finds what reading without it does, keeps to what it promises of
// issues, and a second time says the same.
func FuzzCheck(f *testing.F) {
	for _, tt := range issueTests() {
		f.Add([]byte(tt.doc))
	}
	f.Add([]byte(`{"resourceType":"Bundle","type":"history","entry":[{"resource":{"resourceType":"Parameters","parameter":[{"name":"a","part":[{"name":"b","resource":{"resourceType":"Binary","contentType":"a/b"}}]}]}}]}`))
	r := newReader(f)
	f.Fuzz(func(t *testing.T, doc []byte) {
		var plain Reader
		want, wantErr := plain.Read(doc, false)
		for range 2 {
			got, err := r.Read(doc, true)
			if fmt.Sprint(err) != fmt.Sprint(wantErr) || !reflect.DeepEqual(withoutEmpty(*got), withoutEmpty(*want)) {
				t.Fatalf("%q: checked %+v, %v; unchecked %+v, %v", doc, got, err, want, wantErr)
			}
			if err != nil {
				return
			}
			if !bytes.Equal(r.Compact(), plain.Compact()) {
				t.Fatalf("%q: compact %q, want %q", doc, r.Compact(), plain.Compact())
			}
			for _, i := range r.Issues() {
				if i.Offset < 0 || i.Offset >= len(doc) || i.Message == "" || i.Code == "" || i.Expression == "" || !utf8.ValidString(i.Expression) ||
					i.Severity != "error" && i.Severity != "warning" {
					t.Fatalf("%q: issue %+v", doc, i)
				}
			}
			if r.top != -1 || r.scope != -1 || len(r.mentions)+len(r.contained)+len(r.steps) != 0 {
				t.Fatalf("%q: frame %d, scope %d, %d mentions, %d contained are left", doc, r.top, r.scope, len(r.mentions), len(r.contained))
			}
		}
	})
}

// withoutEmpty makes documents comparable.
func withoutEmpty(d Document) Document {
	if len(d.URNs) == 0 {
		d.URNs = nil
	}
	return d
}

// checkAgainstMap compares what was found with what encoding/json finds.
func checkAgainstMap(t *testing.T, doc []byte, d *Document) {
	t.Helper()
	var values map[string]json.RawMessage
	if d.Kind == lex.Object {
		if err := json.Unmarshal(doc, &values); err != nil {
			t.Fatal(err)
		}
	}
	walked := map[string]json.RawMessage{}
	for name, v := range lex.Members(doc, lex.Value{Kind: d.Kind, Start: d.Start, End: d.End}) {
		walked[string(name)] = doc[v.Start:v.End]
	}
	if len(values)+len(walked) > 0 && !reflect.DeepEqual(values, walked) {
		t.Fatalf("%q: walked over %q, want %q", doc, walked, values)
	}
	for name, v := range map[string]lex.Value{"resourceType": d.ResourceType, "id": d.ID, "type": d.Type, "entry": d.Entry} {
		raw, ok := values[name]
		if ok != (v.Kind != lex.Absent) || !bytes.Equal(raw, doc[v.Start:v.End]) {
			t.Fatalf("%q: %s is %q, want %q", doc, name, doc[v.Start:v.End], raw)
		}
		if v.Kind == lex.String {
			var text string
			if err := json.Unmarshal(raw, &text); err != nil || text != string(v.Text) {
				t.Fatalf("%q: text %q, want %q (%v)", doc, v.Text, text, err)
			}
		}
	}
	if d.Entry.Kind == lex.Array {
		var want []json.RawMessage
		if err := json.Unmarshal(doc[d.Entry.Start:d.Entry.End], &want); err != nil {
			t.Fatal(err)
		}
		var got []json.RawMessage
		for v := range lex.Elements(doc, d.Entry) {
			got = append(got, doc[v.Start:v.End])
		}
		if len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
			t.Fatalf("%q: elements %q, want %q", doc, got, want)
		}
	}
}

// FuzzWalk: walking over what was never scanned ends, and never panics. Walking is all
// that the loops do.
func FuzzWalk(f *testing.F) {
	f.Add([]byte(`{"a":[1,{"b":"c\"d"}],"e":{"f":null}}`))
	f.Add([]byte(`["\`))
	f.Add([]byte(`{"a"`))
	f.Fuzz(func(_ *testing.T, doc []byte) {
		for _, kind := range []lex.Kind{lex.Array, lex.Object} {
			v := lex.Value{Kind: kind, Start: 0, End: len(doc)}
			for range lex.Elements(doc, v) {
			}
			for range lex.Members(doc, v) {
			}
		}
	})
}
