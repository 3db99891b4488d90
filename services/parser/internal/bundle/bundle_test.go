package bundle

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/services/parser/internal/key"
	"github.com/stoker-fhir/stoker/services/parser/internal/lex"
	"github.com/stoker-fhir/stoker/services/parser/internal/resource"
)

const supplier = "clinic-a"

// unroll scans and unrolls a Bundle, and describes each entry in a line:
// outcome ordinal Type/id body, or the problem's code and expression.
func unroll(t testing.TB, doc string) ([]string, *fhirmsg.Issue) {
	t.Helper()
	var s resource.Reader
	d, err := s.Read([]byte(doc), false)
	if err != nil {
		t.Fatalf("%s: %v", doc, err)
	}
	typ, problem := TypeOf(d)
	if problem != nil {
		return nil, problem
	}
	var u Unroller
	b := Bundle{Text: []byte(doc), Document: d, Type: typ, FHIRVersion: fhirmsg.FHIRVersionR4, IDs: key.NewMaker(supplier)}
	var got []string
	problem = u.Unroll(b, func(e *Entry) {
		line := fmt.Sprintf("%s %d", [...]string{"rejected", "ignored", "stored", "deleted"}[e.Outcome], e.Ordinal)
		switch e.Outcome {
		case Rejected:
			line += fmt.Sprintf(" %s %s", e.Problem.Code, strings.TrimPrefix(e.Problem.Expression, fmt.Sprintf("Bundle.entry[%d]", e.index)))
			if int(e.Problem.Offset) < e.Start || int(e.Problem.Offset) >= e.Start+len(e.Raw) {
				t.Errorf("%s: problem at %d is not in the entry, %d to %d", doc, e.Problem.Offset, e.Start, e.Start+len(e.Raw))
			}
		case Stored:
			line += fmt.Sprintf(" %s/%s %s", e.Type, e.ID, e.Body)
			if want := hashOf(t, e.Body); e.Hash != want {
				t.Errorf("%s: hash %s, want %s", doc, e.Hash, want)
			}
		case Deleted:
			line += fmt.Sprintf(" %s/%s", e.Type, e.ID)
		}
		if e.Warnings > 0 {
			line += fmt.Sprintf(" warnings:%d", e.Warnings)
		}
		got = append(got, line)
	})
	return got, problem
}

func hashOf(t testing.TB, body []byte) fhirmsg.Hash {
	t.Helper()
	var s resource.Reader
	if _, err := s.Read(body, false); err != nil {
		t.Fatal(err)
	}
	return s.Hash()
}

func condition(resourceType, query string) string {
	id, err := key.NewMaker(supplier).FromCondition(resourceType, query)
	if err != nil {
		return err.Error()
	}
	return string(id)
}

func fromURL(url string) string { return string(key.NewMaker(supplier).FromURL([]byte(url))) }

func TestUnroll(t *testing.T) {
	t.Parallel()
	const p1 = `{"resourceType":"Patient","id":"p1"}`
	const noID = `{"resourceType":"Patient"}`
	content := string(key.NewMaker(supplier).FromContent("Patient", fhirmsg.HashOf([]byte(noID))))
	tests := []struct {
		name    string
		types   string // of the Bundle, each is tried
		entries string
		want    []string
	}{
		{"no entries", "batch collection history searchset", ``, nil},
		{"own id", "collection searchset batch-response transaction-response", `{"resource":` + p1 + `}`, []string{"stored 1 Patient/p1 " + p1}},
		{"white space", "collection", " \n{ \"resource\" : { \"resourceType\" : \"Patient\", \"id\":\"p1\" } } , {\"resource\":" + p1 + "}\t",
			[]string{`stored 1 Patient/p1 { "resourceType" : "Patient", "id":"p1" }`, "stored 2 Patient/p1 " + p1}},
		{"history, newest first", "history", `{"resource":` + p1 + `,"request":{"method":"PUT","url":"Patient/p1"}},{"resource":` + p1 + `,"request":{"method":"POST","url":"Patient"}}`,
			[]string{"stored -1 Patient/p1 " + p1, "stored -2 Patient/p1 " + p1}},

		{"PUT with an id", "batch transaction history", `{"resource":` + p1 + `,"request":{"method":"PUT","url":"Patient/p1"}}`, []string{"stored ±1 Patient/p1 " + p1}},
		{"PUT gives the id", "batch transaction history", `{"resource":` + noID + `,"request":{"method":"PUT","url":"Patient/p1"}}`, []string{"stored ±1 Patient/p1 " + noID}},
		{"PUT to a whole URL", "transaction", `{"resource":` + noID + `,"request":{"method":"PUT","url":"https://example.org/fhir/Patient/p1"}}`, []string{"stored 1 Patient/p1 " + noID}},
		{"PUT of another id", "batch transaction history", `{"resource":` + p1 + `,"request":{"method":"PUT","url":"Patient/p2"}}`, []string{"rejected ±1 value .request.url"}},
		{"PUT of another type", "batch", `{"resource":` + p1 + `,"request":{"method":"PUT","url":"Person/p1"}}`, []string{"rejected 1 value .request.url"}},
		{"PUT of a version", "batch", `{"resource":` + p1 + `,"request":{"method":"PUT","url":"Patient/p1/_history/1"}}`, []string{"rejected 1 value .request.url"}},
		{"PUT to nowhere", "batch", `{"resource":` + p1 + `,"request":{"method":"PUT","url":"somewhere"}}`, []string{"rejected 1 value .request.url"}},
		{"PUT to a type", "batch", `{"resource":` + p1 + `,"request":{"method":"PUT","url":"Patient"}}`, []string{"stored 1 Patient/p1 " + p1 + " warnings:1"}},
		{"PUT to a type without an id", "batch", `{"resource":` + noID + `,"request":{"method":"PUT","url":"Patient"}}`, []string{"rejected 1 required .request.url"}},
		{"PUT of a bad id", "batch", `{"resource":` + noID + `,"request":{"method":"PUT","url":"Patient/a%2Fb"}}`, []string{"rejected 1 value .request.url"}},
		{"PUT without a resource", "batch history", `{"request":{"method":"PUT","url":"Patient/p1"}}`, []string{"rejected ±1 required .resource"}},
		{"conditional PUT", "batch transaction", `{"resource":` + noID + `,"request":{"method":"PUT","url":"Patient?b=2&a=1"}}`,
			[]string{"stored 1 Patient/" + condition("Patient", "a=1&b=2") + " " + noID}},
		{"conditional PUT with an id", "batch", `{"resource":` + p1 + `,"request":{"method":"PUT","url":"Patient?a=1"}}`, []string{"stored 1 Patient/p1 " + p1}},
		{"conditional PUT of nothing", "batch", `{"resource":` + noID + `,"request":{"method":"PUT","url":"Patient?a="}}`, []string{"rejected 1 value .request.url"}},

		{"POST with an id", "batch transaction history", `{"resource":` + p1 + `,"request":{"method":"POST","url":"Patient"}}`, []string{"stored ±1 Patient/p1 " + p1}},
		{"POST with a fullUrl", "batch transaction history", `{"fullUrl":"urn:uuid:1","resource":` + noID + `,"request":{"method":"POST","url":"Patient"}}`,
			[]string{"stored ±1 Patient/" + fromURL("urn:uuid:1") + " " + noID}},
		{"POST with nothing", "batch", `{"resource":` + noID + `,"request":{"method":"POST","url":"Patient"}}`, []string{"stored 1 Patient/" + content + " " + noID}},
		{"POST to another type", "batch", `{"resource":` + p1 + `,"request":{"method":"POST","url":"Person"}}`, []string{"rejected 1 value .request.url"}},
		{"POST to an instance", "batch", `{"resource":` + p1 + `,"request":{"method":"POST","url":"Patient/p1"}}`, []string{"rejected 1 value .request.url"}},
		{"POST to an operation", "batch", `{"resource":{"resourceType":"Parameters"},"request":{"method":"POST","url":"Patient/p1/$everything"}},{"resource":{"resourceType":"Bundle"},"request":{"method":"POST","url":"$process-message"}}`,
			[]string{"rejected 1 not-supported .request.url", "rejected 2 not-supported .request.url"}},
		{"POST to search", "batch", `{"resource":{"resourceType":"Parameters"},"request":{"method":"POST","url":"Patient/_search"}}`, []string{"ignored 1"}},
		{"ifNoneExist", "batch transaction", `{"fullUrl":"urn:uuid:1","resource":` + noID + `,"request":{"method":"POST","url":"Patient","ifNoneExist":"a=1&b=2"}},{"resource":` + noID + `,"request":{"method":"POST","url":"Patient","ifNoneExist":"Patient?b=2&a=%31"}},{"resource":` + noID + `,"request":{"method":"POST","url":"Patient","ifNoneExist":"?b=2&a=1"}}`,
			[]string{"stored 1 Patient/" + condition("Patient", "a=1&b=2") + " " + noID, "stored 2 Patient/" + condition("Patient", "a=1&b=2") + " " + noID, "stored 3 Patient/" + condition("Patient", "a=1&b=2") + " " + noID}},
		{"ifNoneExist with a question mark", "batch", `{"resource":` + noID + `,"request":{"method":"POST","url":"Patient","ifNoneExist":"a=http://x?y"}}`,
			[]string{"stored 1 Patient/" + condition("Patient", "a=http://x?y") + " " + noID}},
		{"ifNoneExist with an id", "batch", `{"resource":` + p1 + `,"request":{"method":"POST","url":"Patient","ifNoneExist":"a=1"}}`, []string{"stored 1 Patient/p1 " + p1}},
		{"no request", "batch transaction", `{"resource":` + p1 + `},{"resource":` + p1 + `,"request":{"method":"POST"}},{"resource":` + p1 + `,"request":{"method":"PUT"}}`,
			[]string{"stored 1 Patient/p1 " + p1 + " warnings:1", "stored 2 Patient/p1 " + p1 + " warnings:1", "stored 3 Patient/p1 " + p1 + " warnings:1"}},
		{"nothing at all", "batch transaction", `{}`, []string{"rejected 1 required .request"}},

		{"DELETE", "batch transaction history", `{"request":{"method":"DELETE","url":"Patient/p1"}}`, []string{"deleted ±1 Patient/p1"}},
		{"DELETE by a whole URL", "transaction", `{"request":{"method":"DELETE","url":"http://example.org/Patient/p1"}}`, []string{"deleted 1 Patient/p1"}},
		{"conditional DELETE", "batch transaction", `{"request":{"method":"DELETE","url":"Patient?a=1"}}`, []string{"rejected 1 not-supported .request.url"}},
		{"DELETE of a version", "batch", `{"request":{"method":"DELETE","url":"Patient/p1/_history/1"}}`, []string{"rejected 1 value .request.url"}},
		{"DELETE of a type", "batch", `{"request":{"method":"DELETE","url":"Patient"}},{"request":{"method":"DELETE","url":"Patient/"}},{"request":{"method":"DELETE"}}`,
			[]string{"rejected 1 value .request.url", "rejected 2 value .request.url", "rejected 3 value .request.url"}},
		{"DELETE of an unknown type", "batch", `{"request":{"method":"DELETE","url":"Patients/p1"}}`, []string{"rejected 1 value .request.url"}},
		{"history: gone", "history", `{"request":{"method":"PUT","url":"Patient/p1"},"response":{"status":"410 Gone"}},{"fullUrl":"http://example.org/fhir/Patient/p2","response":{"status":"204"}},{"response":{"status":"204","location":"Patient/p3/_history/4"}}`,
			[]string{"deleted -1 Patient/p1", "deleted -2 Patient/p2", "deleted -3 Patient/p3"}},
		{"history: gone, but what", "history", `{"fullUrl":"urn:uuid:1","request":{"method":"DELETE","url":"x"}}`, []string{"rejected -1 value .request.url"}},
		{"history: deleted with what it was", "history", `{"resource":` + p1 + `,"request":{"method":"DELETE","url":"Patient/p1"}}`, []string{"deleted -1 Patient/p1"}},
		{"history: patched", "history", `{"resource":` + p1 + `,"request":{"method":"PATCH","url":"Patient/p1"}}`, []string{"stored -1 Patient/p1 " + p1}},
		{"history: no id", "history", `{"fullUrl":"http://example.org/fhir/Patient/p1","resource":` + noID + `},{"resource":` + noID + `,"request":{"method":"POST","url":"Patient"},"response":{"status":"201","location":"http://example.org/fhir/Patient/p2/_history/1"}}`,
			[]string{"stored -1 Patient/p1 " + noID, "stored -2 Patient/p2 " + noID}},

		{"other methods", "batch transaction", `{"resource":{"resourceType":"Parameters"},"request":{"method":"PATCH","url":"Patient/p1"}},{"request":{"method":"HEAD","url":"Patient/p1"}},{"request":{"method":"GET","url":"Patient/p1"}},{"request":{"method":"put","url":"Patient/p1"}}`,
			[]string{"rejected 1 not-supported .request.method", "rejected 2 not-supported .request.method", "ignored 3", "rejected 4 value .request.method"}},
		{"responses", "batch-response transaction-response", `{"response":{"status":"200 OK"}},{"response":{"status":"404","outcome":{"resourceType":"OperationOutcome"}}},{"resource":{"resourceType":"OperationOutcome"}},{"resource":` + noID + `,"response":{"status":"201","location":"Patient/p1/_history/1"}}`,
			[]string{"ignored 1", "ignored 2", "ignored 3", "stored 4 Patient/p1 " + noID}},
		{"search", "searchset", `{"resource":` + p1 + `,"search":{"mode":"match"}},{"resource":` + p1 + `,"search":{"mode":"include"}},{"resource":{"resourceType":"OperationOutcome","id":"o"},"search":{"mode":"outcome"}},{"resource":{"resourceType":"OperationOutcome"}}`,
			[]string{"stored 1 Patient/p1 " + p1, "stored 2 Patient/p1 " + p1, "ignored 3", "ignored 4"}},
		{"collection", "collection", `{"fullUrl":"http://example.org/fhir/Patient/7","resource":` + noID + `},{"fullUrl":"urn:x"},{"request":{"method":"GET","url":"x"}}`,
			[]string{"stored 1 Patient/" + fromURL("http://example.org/fhir/Patient/7") + " " + noID, "rejected 2 required .resource", "ignored 3"}},

		{"Bundle in a Bundle", "collection", `{"resource":{"resourceType":"Bundle","id":"b","type":"batch","entry":[{}]}},{"fullUrl":"urn:uuid:1","resource":{"resourceType":"Bundle","type":"batch"}}`,
			[]string{`stored 1 Bundle/b {"resourceType":"Bundle","id":"b","type":"batch","entry":[{}]}`, "rejected 2 required .resource.id"}},
		{"PUT of a Bundle", "batch", `{"resource":{"resourceType":"Bundle"},"request":{"method":"PUT","url":"Bundle/b"}},{"resource":{"resourceType":"Bundle"},"request":{"method":"PUT","url":"Bundle?a=1"}}`,
			[]string{`stored 1 Bundle/b {"resourceType":"Bundle"}`, "rejected 2 required .resource.id"}},
		{"Parameters", "collection", `{"resource":{"resourceType":"Parameters"}}`, []string{"rejected 1 required .resource.id"}},

		{"no resources", "collection", `{"resource":[]},{"resource":{"id":"p1"}},{"resource":{"resourceType":"Patients","id":"p1"}},1,null,{"resource":null}`,
			[]string{"rejected 1 structure .resource", "rejected 2 structure .resource", "rejected 3 value .resource", "rejected 4 structure ", "rejected 5 structure ", "rejected 6 structure .resource"}},
		{"bad ids", "collection batch", `{"resource":{"resourceType":"Patient","id":"a/b"},"request":{"method":"POST","url":"Patient"}},{"resource":{"resourceType":"Patient","id":7},"request":{"method":"POST","url":"Patient"}}`,
			[]string{"rejected 1 value .resource.id", "rejected 2 structure .resource.id"}},
		{"misfits", "batch", `{"request":[]},{"response":1},{"search":"x"},{"fullUrl":null},{"request":{"method":7}},{"request":{"url":{}}},{"request":{"ifNoneExist":false}},{"search":{"mode":1}},{"response":{"location":[]}}`,
			[]string{"rejected 1 structure .request", "rejected 2 structure .response", "rejected 3 structure .search", "rejected 4 structure .fullUrl", "rejected 5 structure .request.method",
				"rejected 6 structure .request.url", "rejected 7 structure .request.ifNoneExist", "rejected 8 structure .search.mode", "rejected 9 structure .response.location"}},
		{"escapes", "batch", `{"res\u006furce":{"resourceType":"Patient","id":"\u00e9\"x"},"request":{"method":"P\u0055T","url":"Patient\/%C3%A9%22x"}}`,
			[]string{`stored 1 Patient/é"x {"resourceType":"Patient","id":"\u00e9\"x"}`}},
	}
	for _, tt := range tests {
		for _, typ := range strings.Fields(tt.types) {
			t.Run(tt.name+"/"+typ, func(t *testing.T) {
				t.Parallel()
				got, problem := unroll(t, `{"resourceType":"Bundle","type":"`+typ+`","entry":[`+tt.entries+`]}`)
				if problem != nil {
					t.Fatal(problem.Diagnostics)
				}
				sign := ""
				if typ == "history" {
					sign = "-"
				}
				want := strings.ReplaceAll(strings.Join(tt.want, "\n"), "±", sign)
				if got := strings.Join(got, "\n"); got != want {
					t.Errorf("got\n%s\nwant\n%s", got, want)
				}
			})
		}
	}
}

func TestReferences(t *testing.T) {
	t.Parallel()
	const observation = `{"resourceType":"Observation","id":"o","subject":{"reference":%s},"note":"urn:uuid:1","focus":[{"reference" : "urn:uuid:2"},{"identifier":{"value":"urn:uuid:1"}}]}`
	entry := func(fullURL, resource string) string {
		return `{"fullUrl":"` + fullURL + `","resource":` + resource + `}`
	}
	p1 := entry("urn:uuid:1", `{"resourceType":"Patient","id":"p1"}`)
	made := "Patient/" + fromURL("urn:uuid:1")
	tests := []struct{ name, entries, reference, want string }{
		{"own id", p1, `"urn:uuid:1"`, `"Patient/p1"`},
		{"made id", entry("urn:uuid:1", `{"resourceType":"Patient"}`), `"urn:uuid:1"`, `"` + made + `"`},
		{"oid", entry("urn:oid:1.2", `{"resourceType":"Patient","id":"p1"}`), `"urn:oid:1.2"`, `"Patient/p1"`},
		{"escaped", p1, `"\u0075rn:uuid\u003a1"`, `"Patient/p1"`},
		{"id with a quote", entry("urn:uuid:1", `{"resourceType":"Patient","id":"a\"\\b"}`), `"urn:uuid:1"`, `"Patient/a\"\\b"`},
		{"no such entry", p1, `"urn:uuid:3"`, `"urn:uuid:3"`},
		{"with a fragment", p1, `"urn:uuid:1#x"`, `"urn:uuid:1#x"`},
		{"absolute URL", entry("http://x/Patient/1", `{"resourceType":"Patient","id":"p1"}`), `"http://x/Patient/1"`, `"http://x/Patient/1"`},
		{"entry is rejected", entry("urn:uuid:1", `{"resourceType":"Patients","id":"p1"}`), `"urn:uuid:1"`, `"urn:uuid:1"`},
		{"twice the same", p1 + "," + p1, `"urn:uuid:1"`, `"Patient/p1"`},
		{"twice, different", p1 + "," + entry("urn:uuid:1", `{"resourceType":"Patient","id":"p2"}`) + "," + p1, `"urn:uuid:1"`, `"urn:uuid:1"`},
		{"not a string", p1, `["urn:uuid:1"]`, `["urn:uuid:1"]`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			before, after := fmt.Sprintf(observation, tt.reference), fmt.Sprintf(observation, tt.want)
			// The one that refers comes first: what it means is known only later.
			got, problem := unroll(t, `{"resourceType":"Bundle","type":"collection","entry":[{"resource":`+before+`},`+tt.entries+`]}`)
			if problem != nil {
				t.Fatal(problem.Diagnostics)
			}
			if want := "stored 1 Observation/o " + after; got[0] != want {
				t.Errorf("got\n%s\nwant\n%s", got[0], want)
			}
		})
	}
}

// TestReferencesInNestedBundle: they belong to the inner Bundle.
func TestReferencesInNestedBundle(t *testing.T) {
	t.Parallel()
	const inner = `{"resourceType":"Bundle","id":"b","type":"collection","entry":[{"resource":{"resourceType":"Observation","subject":{"reference":"urn:uuid:1"}}}]}`
	got, _ := unroll(t, `{"resourceType":"Bundle","type":"collection","entry":[{"resource":`+inner+`},{"fullUrl":"urn:uuid:1","resource":{"resourceType":"Patient","id":"p"}}]}`)
	if want := "stored 1 Bundle/b " + inner; got[0] != want {
		t.Errorf("got\n%s\nwant\n%s", got[0], want)
	}
}

// TestRewrittenIDWithEscapes: the id survives the second scan, whose buffer it was in.
func TestRewrittenIDWithEscapes(t *testing.T) {
	t.Parallel()
	got, _ := unroll(t, `{"resourceType":"Bundle","type":"collection","entry":[{"fullUrl":"urn:uuid:1","resource":{"text":"\u0041\u0042\u0043","resourceType":"P\u0061tient","link":{"reference":"\u0075rn:uuid:1"},"id":"\u0070-1"}}]}`)
	want := `stored 1 Patient/p-1 {"text":"\u0041\u0042\u0043","resourceType":"P\u0061tient","link":{"reference":"Patient/p-1"},"id":"\u0070-1"}`
	if got[0] != want {
		t.Errorf("got\n%s\nwant\n%s", got[0], want)
	}
}

func TestWholeBundlesAndProblems(t *testing.T) {
	t.Parallel()
	tests := []struct{ doc, code, expression string }{
		{`{"resourceType":"Bundle"}`, "required", "Bundle.type"},
		{`{"resourceType":"Bundle","type":null}`, "value", "Bundle.type"},
		{`{"resourceType":"Bundle","type":"Batch"}`, "value", "Bundle.type"},
		{`{"resourceType":"Bundle","type":"batch","entry":{}}`, "structure", "Bundle.entry"},
		{`{"resourceType":"Bundle","type":"batch","entry":null}`, "structure", "Bundle.entry"},
		{`{"resourceType":"Bundle","type":"batch","entry":[` + strings.Repeat("{},", MaxRejected) + `{}]}`, "processing", "Bundle.entry"},
	}
	for _, tt := range tests {
		if _, problem := unroll(t, tt.doc); problem == nil || problem.Code != tt.code || problem.Expression != tt.expression {
			t.Errorf("%.80s: %+v, want %s at %s", tt.doc, problem, tt.code, tt.expression)
		}
	}
	got, problem := unroll(t, `{"resourceType":"Bundle","type":"batch","entry":[`+strings.Repeat("{},", MaxRejected-1)+`{}]}`)
	if problem != nil || len(got) != MaxRejected {
		t.Errorf("%d entries, %+v; want %d", len(got), problem, MaxRejected)
	}
	for typ, want := range map[Type]bool{Document: true, Message: true, Batch: false, History: false} {
		if typ.IsWhole() != want {
			t.Errorf("%s is whole: %v, want %v", typ, !want, want)
		}
	}
}

// FuzzUnroll: every element of entry is yielded once, what is stored is valid JSON with a
// usable key, and twice the same comes out.
func FuzzUnroll(f *testing.F) {
	f.Add([]byte(`{"resourceType":"Bundle","type":"transaction","entry":[{"fullUrl":"urn:uuid:1","resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient","ifNoneExist":"a=1"}},{"resource":{"resourceType":"Observation","id":"o","subject":{"reference":"urn:uuid:1"}},"request":{"method":"PUT","url":"Observation/o"}},{"request":{"method":"DELETE","url":"Patient/2"}}]}`))
	f.Add([]byte(`{"resourceType":"Bundle","type":"history","entry":[{"fullUrl":"http://x/Patient/1","response":{"status":"204","lastModified":"2020-01-01T00:00:00Z"}}]}`))
	f.Add([]byte(`{"resourceType":"Bundle","type":"history","entry":[{"request":{"method":"DELETE","url":"Patient/1/_history/2"},"response":{"status":"204","etag":"W/\"2\""}},{"resource":{"resourceType":"Patient","id":"1","meta":{"versionId":"1","lastUpdated":"2020-01-01T00:00:00Z"}},"request":{"method":"POST","url":"Patient"},"response":{"etag":"W/\"3\""}},1,{"resource":{"meta":7}}]}`))
	f.Add([]byte(` { "type" : "searchset" , "entry" : [ { "search" : { "mode" : "outcome" } } , 1 ] } `))
	f.Fuzz(func(t *testing.T, doc []byte) {
		var s resource.Reader
		d, err := s.Read(doc, false)
		if err != nil || d.Kind != lex.Object {
			return
		}
		typ, problem := TypeOf(d)
		if problem != nil {
			return
		}
		var raw struct{ Entry []json.RawMessage }
		if d.Entry.Kind == lex.Array {
			var all map[string]json.RawMessage
			if err := json.Unmarshal(doc, &all); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(all["entry"], &raw.Entry); err != nil {
				t.Fatal(err)
			}
		}
		var u Unroller
		b := Bundle{Text: doc, Document: d, Type: typ, FHIRVersion: fhirmsg.FHIRVersionR4, IDs: key.NewMaker(supplier), Orders: true}
		var first, second []string
		for _, into := range []*[]string{&first, &second} {
			problem = u.Unroll(b, func(e *Entry) {
				*into = append(*into, fmt.Sprintf("%d %d %s/%s %s %s", e.Outcome, e.Ordinal, e.Type, e.ID, e.Body, e.Hash))
				if string(e.Raw) != string(raw.Entry[e.index]) {
					t.Fatalf("%q: entry %d is %q, want %q", doc, e.index, e.Raw, raw.Entry[e.index])
				}
				if (e.Outcome == Rejected) != (e.Problem != nil) {
					t.Fatalf("%q: outcome %d, problem %+v", doc, e.Outcome, e.Problem)
				}
				if e.Outcome != Stored && e.Outcome != Deleted {
					return
				}
				if key.Fault(e.ID) != "" || len(e.Type) == 0 {
					t.Fatalf("%q: key %q/%q", doc, e.Type, e.ID)
				}
				if e.Outcome == Stored && !json.Valid(e.Body) {
					t.Fatalf("%q: body %q", doc, e.Body)
				}
			})
		}
		if problem == nil && len(first) != len(raw.Entry) {
			t.Fatalf("%q: %d entries, want %d", doc, len(first), len(raw.Entry))
		}
		if strings.Join(first, "\n") != strings.Join(second, "\n") {
			t.Fatalf("%q: first %q, then %q", doc, first, second)
		}
	})
}
