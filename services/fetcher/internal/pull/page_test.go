package pull

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stoker-fhir/stoker/services/fetcher/internal/source"
)

const base = "https://fhir.example/r4/"

func at(t testing.TB) *url.URL {
	t.Helper()
	u, err := url.Parse(base + "Observation?patient=1&_count=2")
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func readPage(t testing.TB, f source.Pull, body string) (Page, error) {
	t.Helper()
	r := reader{file: f, base: base}
	return r.read(source.Answer{Body: []byte(body), Type: "application/fhir+json", At: at(t)})
}

func TestPageLines(t *testing.T) {
	t.Parallel()
	searchset := func(entries string) string {
		return `{"resourceType":"Bundle","type":"searchset","entry":[` + entries + `]}`
	}
	wrapped := func(entry string) string { return searchset(entry) + "\n" }
	history := func(entries string) string {
		return `{"resourceType":"Bundle","type":"history","entry":[` + entries + `]}`
	}
	const (
		p1     = `{"resourceType":"Patient","id":"p1"}`
		gone   = `{"request":{"method":"DELETE","url":"Patient/1"},"response":{"status":"204","lastModified":"2026-01-02T00:00:00Z"}}`
		nodate = `{"request":{"method":"DELETE","url":"Patient/2"}}`
		alive  = `{"resource":{"resourceType":"Patient","id":"3","meta":{"lastUpdated":"2026-01-03T00:00:00Z"}},"request":{"method":"PUT","url":"Patient/3"}}`
		odd    = `{"request":{"method":"DELETE","url":"Patient/2"},"response":{"status":204,"lastModified":"2026-01-02T00:00:00Z"}}`
		vague  = `{"request":{"url":"Patient/2"},"response":{"status":204}}`
		date   = `{"request":{"method":"GET","url":"metadata"},"response":{"status":"200","lastModified":"2026-01-03T00:00:00Z"}}`
	)
	tests := []struct {
		name    string
		history bool
		body    string
		want    string
	}{
		{"nothing", false, `{"resourceType":"Bundle"}`, ""},
		{"resources", false, searchset(`{"resource":` + p1 + `},{"fullUrl":"x","resource":` + p1 + `,"search":{"mode":"include"}}`), p1 + "\n" + p1 + "\n"},
		{"over several lines", false, "\ufeff\r\n" + searchset("{\"resource\":{\r\n\"resourceType\":\"Patient\",\n\t\"id\":\"p1\"}}"), "{  \"resourceType\":\"Patient\", \t\"id\":\"p1\"}\n"},
		{"outcomes", false, searchset(`{"resource":{"resourceType":"OperationOutcome","id":"1"},"search":{"mode":"outcome"}},{"resource":{"resourceType":"OperationOutcome"}}`), ""},
		{"an OperationOutcome that is a resource", false, searchset(`{"resource":{"resourceType":"OperationOutcome","id":"1"}}`), `{"resourceType":"OperationOutcome","id":"1"}` + "\n"},
		{"without an id", false, searchset(`{"fullUrl":"urn:1","resource":{"resourceType":"Patient"}}`), wrapped(`{"fullUrl":"urn:1","resource":{"resourceType":"Patient"}}`)},
		{"a Bundle", false, searchset(`{"resource":{"resourceType":"Bundle","id":"b","type":"document"}}`), wrapped(`{"resource":{"resourceType":"Bundle","id":"b","type":"document"}}`)},
		{"a search of another shape", false, searchset(`{"resource":` + p1 + `,"search":1}`), p1 + "\n"},
		{"no entries", false, searchset(`1,{},{"resource":[]}`), wrapped(`1`) + wrapped(`{}`) + wrapped(`{"resource":[]}`)},
		{"deletions", true, history(alive + "," + gone), history(gone) + "\n"},
		{"deletions without a date", true, history(alive + "," + nodate + "," + gone), history(date+","+nodate+","+gone) + "\n"},
		{"a deletion of another shape", true, history(alive + "," + odd), history(odd) + "\n"},
		{"what may be a deletion", true, history(alive + "," + vague + ",1"), history(date+","+vague+",1") + "\n"},
		{"no deletions", true, history(alive), ""},
		{"by status", true, history(`{"fullUrl":"http://x/Patient/1","response":{"status":"410 Gone","lastModified":"x"}}`), history(`{"fullUrl":"http://x/Patient/1","response":{"status":"410 Gone","lastModified":"x"}}`) + "\n"},
	}
	for _, tt := range tests {
		page, err := readPage(t, source.Pull{History: tt.history}, tt.body)
		if got := string(page.Lines); err != nil || got != tt.want {
			t.Errorf("%s: %v, got\n%s\nwant\n%s", tt.name, err, got, tt.want)
		}
	}
}

func TestPageLinks(t *testing.T) {
	t.Parallel()
	link := func(links string) string { return `{"resourceType":"Bundle","link":[` + links + `]}` }
	tests := []struct{ name, links, next, err string }{
		{"none", `{"relation":"self","url":"x"}`, "", ""},
		{"absolute", `{"relation":"next","url":"http://other.example/x?a=b#c"}`, "http://other.example/x?a=b", ""},
		{"relative", `{"relation":"next","url":"?page=2"}`, base + "Observation?page=2", ""},
		{"from the root", `{"relation":"next","url":"/x"}`, "https://fhir.example/x", ""},
		{"with a user", `{"relation":"next","url":"https://u:p@fhir.example/x"}`, "https://fhir.example/x", ""},
		{"a file", `{"relation":"next","url":"file:///etc/passwd"}`, "", "no http or https URL"},
		{"no URL", `{"relation":"next","url":"http://%zz"}`, "", "no http or https URL"},
		{"two", `{"relation":"next","url":"a"},{"relation":"next","url":"b"}`, "", "more than one"},
		{"too long", `{"relation":"next","url":"` + strings.Repeat("x", 20<<10) + `"}`, "", "too long"},
	}
	for _, tt := range tests {
		page, err := readPage(t, source.Pull{}, link(tt.links))
		got := ""
		if page.next != nil {
			got = page.next.String()
		}
		if tt.err == "" && (err != nil || got != tt.next) || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("%s: %s, %v, want %s, %q", tt.name, got, err, tt.next, tt.err)
		}
	}
}

func TestFollow(t *testing.T) {
	t.Parallel()
	f := source.Pull{Types: []string{"Practitioner", "Binary"}}
	page, err := readPage(t, f, `{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"DocumentReference","id":"1","subject":{"reference":"Patient/1"},
		"author":[{"reference":"Practitioner/a"},{"reference":"`+base+`Practitioner/b/_history/2"},{"reference":"https://other.example/Practitioner/c"},{"reference":"#p"},{"reference":"Practitioner/x?y"},
		{"reference":"Practitioner?identifier=1"},{"reference":7},{"display":"Practitioner/d"}],
		"content":[{"attachment":{"url":"Binary/e"}},{"attachment":{"url":"`+base+`Binary/f"}},{"attachment":{"url":"https://other.example/Binary/g"}}]}},
		{"resource":{"resourceType":"Practitioner","id":"a"}},{"resource":{"resourceType":"Patient","id":"1"}}]}`)
	if err != nil {
		t.Fatal(err)
	}
	wanted := map[string]bool{}
	for _, r := range page.Wanted {
		wanted[r.Type+"/"+r.ID] = true
	}
	if got, want := fmt.Sprint(wanted), "map[Binary/e:true Binary/f:true Practitioner/a:true Practitioner/b:true]"; got != want {
		t.Errorf("wanted %s, want %s", got, want)
	}
	if got, want := fmt.Sprint(page.There), "[{Practitioner a}]"; got != want {
		t.Errorf("there %s, want %s", got, want)
	}
}

func TestHeeds(t *testing.T) {
	t.Parallel()
	for self, want := range map[string]bool{
		"":                                  true,
		"Observation?patient=1&_count=2":    true,
		"Observation?patient=Patient/1":     true,
		"Observation?patient:Patient=1":     true,
		"Observation?_count=2":              false,
		"Observation":                       true, // says nothing
		"x?token=1":                         true,
		"Observation?_count=50&subject=abc": false,
	} {
		var u *url.URL
		if self != "" {
			var err error
			if u, err = url.Parse(base + self); err != nil {
				t.Fatal(err)
			}
		}
		if got := heeds(at(t), u); got != want {
			t.Errorf("%q: %v", self, got)
		}
	}
}

func TestHeedsAll(t *testing.T) {
	t.Parallel()
	const asked = "Patient?organization:Organization.name=x&active=true&_sort=_id&_include=Patient:link&_count=2"
	for _, tt := range []struct {
		asked, self string
		want        bool
	}{
		{asked, "", true},
		{asked, "Patient?organization:Organization.name=x&active=true", true},
		{asked, "Patient?organization.name=x&active:exact=true&_count=50", true},
		{asked, "Patient?active=true&_count=2", false},
		{asked, "Patient?_count=2", false},
		{asked, "Patient?organization.name=x", false},
		{asked, "Patient", true}, // says nothing
		{asked, "x?token=1", true},
		{"Patient?_has:Observation:patient:code=1", "Patient?_has:Observation:patient:code=1&_count=9", true},
		{"Patient?_has:Observation:patient:code=1&_count=2", "Patient?_count=2", false},
	} {
		parse := func(s string) *url.URL {
			u, err := url.Parse(base + s)
			if err != nil {
				t.Fatal(err)
			}
			return u
		}
		self := parse(tt.self)
		if tt.self == "" {
			self = nil
		}
		if got := heedsAll(parse(tt.asked), self); got != tt.want {
			t.Errorf("%q, %q: %v", tt.asked, tt.self, got)
		}
	}
}

// TestLoops: pages that lead back to any earlier one are noticed before they were read many times.
func TestLoops(t *testing.T) {
	t.Parallel()
	link := func(n int) *url.URL { return &url.URL{Scheme: "https", Host: "x", Path: fmt.Sprint("/", n)} }
	for _, first := range []int{0, 1, 2, 7, 40} {
		for _, length := range []int{1, 2, 3, 10, 100} {
			p, read, err := Place{}, 0, error(nil)
			for n := 0; err == nil && read < 10*(first+length+2); read++ {
				if n++; n == first+length {
					n = first
				}
				p, err = p.step(Page{next: link(n), Lines: []byte(fmt.Sprint(read))})
			}
			if err == nil || read > 5*(first+length+1) {
				t.Errorf("a loop of %d pages behind %d: %v after %d pages", length, first, err, read)
			}
		}
	}
	p, err := Place{}, error(nil)
	for n := range 10_000 {
		if p, err = p.step(Page{next: link(n), Lines: []byte(fmt.Sprint(n))}); err != nil {
			t.Fatalf("page %d: %v", n, err)
		}
	}
	if b, err := json.Marshal(p); err != nil || len(b) > 400 {
		t.Errorf("a place takes %d bytes, %v", len(b), err)
	}
}

// FuzzPage: no answer panics; what is taken are lines of JSON, and errors hold nothing of the content.
func FuzzPage(f *testing.F) {
	f.Add([]byte(`{"resourceType":"Bundle","type":"searchset","total":1,"link":[{"relation":"next","url":"?p=2"}],"entry":[{"resource":{"resourceType":"Patient","id":"1"}},1,{"search":{"mode":"outcome"}}]}`), false, false)
	f.Add([]byte(`{"resourceType":"Bundle","entry":[{"request":{"method":"DELETE","url":"Patient/1"}},{"resource":{"meta":{"lastUpdated":"\u0000"}}}]}`), true, false)
	f.Add([]byte(`{"resourceType":"Bundle","entry":[{"request":{"method":"DELETE"},"response":{"status":204}},{"response":1}]}`), true, false)
	f.Add([]byte(`{"resourceType":"Binary","id":"1","x":{"reference":"Binary/2"}}`), false, true)
	f.Add([]byte(`{"resourceType":"OperationOutcome","issue":[{"code":"secret"}]}`), false, false)
	f.Add([]byte("<html>"), false, false)
	f.Fuzz(func(t *testing.T, body []byte, history, follows bool) {
		if !utf8.Valid(body) {
			return // json replaces what is no text, and the parser tells
		}
		page, err := readPage(t, source.Pull{History: history, Follows: follows, Types: []string{"Binary"}}, string(body))
		if err != nil {
			if len(body) > 40 && strings.Contains(err.Error(), string(body)) {
				t.Fatalf("%q: %v", body, err)
			}
			return
		}
		for line := range bytes.Lines(page.Lines) {
			if !json.Valid(line) || line[len(line)-1] != '\n' {
				t.Fatalf("%q: line %q", body, line)
			}
		}
	})
}
