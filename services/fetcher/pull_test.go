package fetcher

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stoker-fhir/stoker/pkg/exporttest"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/fhirservertest"
	"github.com/stoker-fhir/stoker/pkg/ledger"
)

func pullRequest(t *testing.T, url string, p fhirmsg.Pull) fhirmsg.ImportRequest {
	t.Helper()
	id, err := fhirmsg.NewImportID(time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p.URL = url
	req := fhirmsg.ImportRequest{ID: id, Mode: fhirmsg.ModeSync, Sources: []fhirmsg.Source{{Pull: &p}}}.WithDefaults()
	if err := req.Check(); err != nil {
		t.Fatal(err)
	}
	return req
}

// everything and bySearch are pulls of two patients.
func everything() fhirmsg.Pull {
	return fhirmsg.Pull{Everything: true, Patients: []string{"0", "1"}, Count: 3}
}

func bySearch() fhirmsg.Pull {
	return fhirmsg.Pull{Types: fhirservertest.Types, Patients: []string{"0", "1"}, Count: 2}
}

// TestPull: a cohort of a server is imported whole, page by page, whatever its server is like.
func TestPull(t *testing.T) {
	t.Parallel()
	with := func(p fhirmsg.Pull, change func(*fhirmsg.Pull)) fhirmsg.Pull {
		change(&p)
		return p
	}
	later := march.Add(9*time.Minute + time.Second) // behind what the first patient has
	const (
		all  = "$everything closed 13\n$everything closed 13\n" // with what supports them
		own  = "0 closed 9\n1 closed 9\n"
		loop = "$everything failed %d (page %d of $everything: the links to the next page lead back to an earlier one)\n"
	)
	tests := []struct {
		name  string
		opts  fhirservertest.Options
		pull  fhirmsg.Pull
		token bool
		want  string
	}{
		{name: "everything", pull: everything(), want: all},
		{name: "by search", pull: bySearch(), want: own},
		{name: "one at a time", pull: with(bySearch(), func(p *fhirmsg.Pull) { p.Concurrency = 1; p.Rate = 10 }), want: own},
		{name: "a group", pull: fhirmsg.Pull{Everything: true, Group: "study"}, want: strings.Repeat("$everything closed 13\n", 4)},
		{name: "a list", pull: fhirmsg.Pull{Types: []string{"Patient"}, List: "study"}, want: "0 closed 1\n1 closed 1\n2 closed 1\n3 closed 1\n"},
		{name: "a search for patients", pull: fhirmsg.Pull{Types: []string{"Patient"}, Cohort: "Patient?gender=female", Count: 1}, want: "0 closed 1\n1 closed 1\n2 closed 1\n3 closed 1\n"},
		{name: "a search that is not heeded", opts: fhirservertest.Options{Ignore: "gender"}, pull: fhirmsg.Pull{Types: []string{"Patient"}, Cohort: "Patient?gender=female"},
			want: "fhir failed 0 (the cohort: page 1 of Patient: the server did not heed all that is searched for, as its link to the page itself says)\n"},
		{name: "an empty cohort", opts: fhirservertest.Options{Resources: []exporttest.Resource{{Type: "Group", ID: "empty", Body: `{"resourceType":"Group","id":"empty","type":"person","actual":true}`}}},
			pull: fhirmsg.Pull{Types: []string{"Patient"}, Group: "empty"}, want: "note: the cohort has no patients\n"},
		{name: "who left a group, and who is to come", opts: fhirservertest.Options{Resources: append(fhirservertest.Cohort(4, 4, march), exporttest.Resource{Type: "Group", ID: "moving",
			Body: `{"resourceType":"Group","id":"moving","member":[{"entity":{"reference":"Patient/1"},"period":{"end":"2020-01-01T00:00:00Z"}},{"entity":{"reference":"Patient/2"},"period":{"start":"2020-01-01"}},` +
				`{"entity":{"reference":"Patient/3"},"period":{"start":"2999-01-01"}},{"entity":{"reference":"Patient/4"},"inactive":true}]}`})},
			pull: fhirmsg.Pull{Everything: true, Group: "moving"}, want: "$everything closed 13\n"},
		{name: "no such group", pull: fhirmsg.Pull{Everything: true, Group: "none"}, want: "fhir failed 0 (the cohort: the Group: the server answered 404 Not Found: error not-found)\n"},
		{name: "types of everything", pull: with(everything(), func(p *fhirmsg.Pull) { p.Types = []string{"Observation"} }), want: "$everything closed 4\n$everything closed 4\n"},
		{name: "filters", pull: with(bySearch(), func(p *fhirmsg.Pull) {
			p.Types = []string{"Patient"}
			p.Filters = []string{"Observation?category=laboratory"}
		}),
			want: "0 closed 3\n1 closed 3\n"},
		{name: "since", pull: with(bySearch(), func(p *fhirmsg.Pull) { p.Since = &later }), want: "0 closed 0\n1 closed 8\n"},
		{name: "since is not heeded", opts: fhirservertest.Options{IgnoreSince: true}, pull: with(bySearch(), func(p *fhirmsg.Pull) { p.Since = &later }),
			want: own + "note: " + notSince + "\n"},
		{name: "followed", opts: fhirservertest.Options{Bare: true}, pull: with(everything(), func(p *fhirmsg.Pull) { p.Follow = fhirservertest.Supporting }),
			want: "$everything closed 9\n$everything closed 9\n(followed) closed 9\n"},
		{name: "followed, of which most are there", pull: with(everything(), func(p *fhirmsg.Pull) {
			p.Follow = []string{"Practitioner", "Location", "Organization", "Medication", "Binary"}
		}),
			want: all + "(followed) closed 2\n"},
		{name: "followed, of which some are not there", opts: fhirservertest.Options{Resources: without("Practitioner")}, pull: with(bySearch(), func(p *fhirmsg.Pull) { p.Follow = []string{"Practitioner", "Medication"} }),
			want: own + "(followed) closed 2\nnote: " + lacksFollowed + "\n"},
		{name: "deletions", opts: fhirservertest.Options{Deleted: []fhirservertest.Deletion{{Type: "Observation", ID: "gone", At: "2026-03-20T00:00:00Z"}, {Type: "Observation", ID: "old", At: "2026-02-20T00:00:00Z"}}},
			pull: with(bySearch(), func(p *fhirmsg.Pull) {
				p.Deletions = true
				p.Since = &march
				p.Types = []string{"Patient", "Observation"}
			}),
			want: "_history closed 0\n_history closed 1\n0 closed 5\n1 closed 5\n"},
		{name: "deletions that nobody tells", opts: fhirservertest.Options{NoHistory: true}, pull: with(bySearch(), func(p *fhirmsg.Pull) { p.Deletions = true; p.Since = &march; p.Types = []string{"Patient"} }),
			want: "_history closed 0\n0 closed 1\n1 closed 1\nnote: deletions of type Patient are not known, since the server does not tell its history: the server answered 405 Method Not Allowed\n"},
		{name: "a patient who is not there", pull: with(everything(), func(p *fhirmsg.Pull) { p.Patients = []string{"x", "1"} }), want: "$everything closed 0\n$everything closed 13\n" +
			"note: the server does not have all patients of the cohort (404, 410); files without lines say which\n"},
		{name: "resources twice", opts: fhirservertest.Options{Twice: true, NoTotal: true}, pull: bySearch(), want: "0 closed 10\n1 closed 10\n"},
		{name: "another total", opts: fhirservertest.Options{Total: 1}, pull: bySearch(), want: own + "note: the server told another number of resources (Bundle.total) than it sent\n"},
		{name: "over several lines, relative links, small pages", opts: fhirservertest.Options{Pretty: true, Relative: true, MaxPage: 1}, pull: bySearch(), want: own},
		{name: "an outcome", opts: fhirservertest.Options{Outcome: `{"resourceType":"OperationOutcome","issue":[{"severity":"warning","code":"incomplete","diagnostics":"Erika"}]}`}, pull: everything(),
			want: all + "note: the server reports of its own work: warning incomplete\n"},
		{name: "a loop", opts: fhirservertest.Options{Loop: true, NoTotal: true}, pull: everything(), want: fmt.Sprintf(loop, 16, 7) + fmt.Sprintf(loop, 16, 7)},
		{name: "the same page", opts: fhirservertest.Options{Same: true}, pull: with(everything(), func(p *fhirmsg.Pull) { p.Patients = p.Patients[:1] }),
			want: "$everything failed 3 (page 2 of $everything: the next page is the same one again)\n"},
		{name: "links to elsewhere", opts: fhirservertest.Options{Elsewhere: "http://127.0.0.1:1"}, pull: with(everything(), func(p *fhirmsg.Pull) { p.Patients = p.Patients[:1] }),
			want: "$everything failed 3 (page 2 of $everything: the link to the next page leads to another origin than the server's, which only the policy of a supplier can allow)\n"},
		{name: "all patients, whoever is asked for", opts: fhirservertest.Options{IgnorePatient: true}, pull: with(bySearch(), func(p *fhirmsg.Pull) { p.Patients = p.Patients[:1]; p.Types = []string{"Observation"} }),
			want: "0 failed 0 (page 1 of Observation: the server did not heed for which patient it was asked, as its link to the page itself says)\n"},
		{name: "a token", opts: fhirservertest.Options{Token: "t"}, pull: bySearch(), token: true, want: own},
		{name: "no token", opts: fhirservertest.Options{Token: "t"}, pull: with(everything(), func(p *fhirmsg.Pull) { p.Patients = p.Patients[:1] }),
			want: "$everything failed 0 (page 1 of $everything: the server answered 401 Unauthorized: error login)\n"},
	}
	f, c, _ := exporting(t)
	for _, tt := range tests {
		if tt.opts.Resources == nil {
			tt.opts.Resources = fhirservertest.Cohort(4, 4, march)
		}
		s := fhirservertest.New(t, tt.opts)
		req := pullRequest(t, s.URL, tt.pull)
		if tt.token {
			req.Sources[0].Headers = []fhirmsg.Header{{Name: "Authorization", Value: "Bearer t"}}
		}
		f.bring(t, c, req)
		status, got := f.accountAt(t, req.ID, s.URL)
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
		if status.State != ledger.StateDraining {
			t.Errorf("%s: the import is %s", tt.name, status.State)
		}
		most := 4
		if tt.pull.Concurrency > 0 {
			most = tt.pull.Concurrency
		}
		if n := s.AtOnce(); n > most {
			t.Errorf("%s: %d requests at once", tt.name, n)
		}
	}
}

func without(resourceType string) []exporttest.Resource {
	return slices.DeleteFunc(fhirservertest.Cohort(4, 4, march), func(r exporttest.Resource) bool { return r.Type == resourceType })
}

// TestPullAnswers: answers that are none, and how long is waited for those that may come.
func TestPullAnswers(t *testing.T) {
	t.Parallel()
	tooMany := func(after string) exporttest.Answer {
		return exporttest.Answer{Status: http.StatusTooManyRequests, Header: map[string]string{"Retry-After": after, "Date": "Fri, 01 May 2026 00:00:00 GMT"}}
	}
	down := exporttest.Answer{Status: http.StatusServiceUnavailable}
	body := func(kind, text string) exporttest.Answer {
		return exporttest.Answer{Status: http.StatusOK, Header: map[string]string{"Content-Type": kind}, Body: text}
	}
	const json, done = "application/fhir+json", "0 closed 6\n"
	failed := func(why string) string { return "0 failed 2 (page 2 of Observation: " + why + ")\n" }
	tests := []struct {
		name    string
		answers []exporttest.Answer // to the second page
		want    string
		waits   []time.Duration // in which nothing is held
	}{
		{"a while", []exporttest.Answer{tooMany("7")}, done, nil},
		{"a while, by date", []exporttest.Answer{tooMany("Fri, 01 May 2026 00:00:30 GMT")}, done, nil},
		{"an hour", []exporttest.Answer{tooMany("3600")}, done, []time.Duration{time.Hour}},
		{"an hour, by date", []exporttest.Answer{tooMany("Fri, 01 May 2026 05:00:00 GMT")}, done, []time.Duration{5 * time.Hour}},
		{"errors that pass", []exporttest.Answer{down, {Status: http.StatusInternalServerError}, {Status: http.StatusBadGateway}}, done, nil},
		{"down for a while", slices.Repeat([]exporttest.Answer{down}, 20), done, []time.Duration{time.Minute, 2 * time.Minute}},
		{"an error that stays", slices.Repeat([]exporttest.Answer{{Status: http.StatusInternalServerError, Body: exporttest.Outcome("exception", "Erika")}}, 8),
			failed("given up after 8 attempts: the server answered 500 Internal Server Error: error exception"), nil},
		{"refused", []exporttest.Answer{{Status: http.StatusBadRequest, Body: exporttest.Outcome("invalid", "Erika")}}, failed("the server answered 400 Bad Request: error invalid"), nil},
		{"links that expired", []exporttest.Answer{{Status: http.StatusGone}}, failed("the server answered 410 Gone"), nil},
		{"HTML", []exporttest.Answer{body("text/html; charset=utf-8", "<html>Erika</html>")}, failed(`the server sent "text/html" and no FHIR JSON`), nil},
		{"nothing", []exporttest.Answer{body(json, "")}, failed("the server sent no FHIR JSON"), nil},
		{"cut short", []exporttest.Answer{body(json, `{"resourceType":"Bundle","entry":[{"resource":{"id":"Erika"`)}, failed("the JSON that the server sent ends in its middle"), nil},
		{"no JSON", []exporttest.Answer{body(json, `{"resourceType":Erika}`)}, failed("what the server sent is not JSON at byte 17"), nil},
		{"no Bundle", []exporttest.Answer{body(json, `{"resourceType":"Bundle","link":"Erika"}`)}, failed("what the server sent is no Bundle at byte 39"), nil},
		{"another resource", []exporttest.Answer{body(json, `{"resourceType":"Patient","id":"Erika"}`)}, failed("the server sent a resource and no Bundle"), nil},
		{"an outcome", []exporttest.Answer{body(json, exporttest.Outcome("security", "Erika"))}, failed("the server sent an OperationOutcome: error security"), nil},
		{"an empty page, and no other", []exporttest.Answer{body(json, `{"resourceType":"Bundle","type":"searchset"}`)},
			"0 closed 3\nnote: the server told another number of resources (Bundle.total) than it sent\n", nil},
		{"entries that are none", []exporttest.Answer{body(json, `{"resourceType":"Bundle","total":3,"type":"searchset","entry":[1,{"resource":[]},{"resource":{"resourceType":"Basic"}}]}`)},
			done, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f, c, _ := exporting(t)
			s := fhirservertest.New(t, fhirservertest.Options{Resources: fhirservertest.Cohort(1, 5, march)})
			s.Next(fhirservertest.Page, tt.answers...)
			req := pullRequest(t, s.URL, fhirmsg.Pull{Types: []string{"Observation", "Patient"}, Patients: []string{"0"}, Count: 2})
			waits := f.bring(t, c, req)
			if diff := cmp.Diff(tt.waits, waits); diff != "" {
				t.Errorf("waits (-want +got):\n%s", diff)
			}
			if _, got := f.accountAt(t, req.ID, s.URL); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

// TestPullWaitsForItsCohort: a server that asks to wait before it says who the patients are is waited for.
func TestPullWaitsForItsCohort(t *testing.T) {
	t.Parallel()
	f, c, _ := exporting(t)
	s := fhirservertest.New(t, fhirservertest.Options{Resources: fhirservertest.Cohort(1, 1, march)})
	s.Next(fhirservertest.Read, exporttest.Answer{Status: http.StatusTooManyRequests, Header: map[string]string{"Retry-After": "600"}})
	req := pullRequest(t, s.URL, fhirmsg.Pull{Types: []string{"Patient"}, Group: "study"})
	if wait := f.step(t, c, req); wait != 10*time.Minute {
		t.Errorf("waited for %s", wait)
	}
	status, _ := f.accountAt(t, req.ID, s.URL)
	if want := "the server is asked again later: the cohort: the Group: the server answered 429 Too Many Requests"; status.Waiting == nil || status.Waiting.For != want {
		t.Errorf("it waits for %+v, want %q", status.Waiting, want)
	}
	f.bring(t, c, req)
	if _, got := f.accountAt(t, req.ID, s.URL); got != "0 closed 1\n" {
		t.Error(got)
	}
}

// TestPullWaitsForItsCohortInAnOutage: a server that does not serve when it is asked who the patients are is asked again, for as
// long as a day.
func TestPullWaitsForItsCohortInAnOutage(t *testing.T) {
	t.Parallel()
	f, c, _ := exporting(t)
	s := fhirservertest.New(t, fhirservertest.Options{Resources: fhirservertest.Cohort(1, 1, march)})
	outage := slices.Repeat([]exporttest.Answer{{Status: http.StatusServiceUnavailable}}, 8) // as often as a page is tried
	begin := func(answers ...exporttest.Answer) fhirmsg.ImportRequest {
		s.Next(fhirservertest.Read, answers...)
		return pullRequest(t, s.URL, fhirmsg.Pull{Types: []string{"Patient"}, Group: "study"})
	}
	req := begin(outage...)
	if wait := f.step(t, c, req); wait != pullSlow {
		t.Errorf("waited for %s", wait)
	}
	f.bring(t, c, req)
	if _, got := f.accountAt(t, req.ID, s.URL); got != "0 closed 1\n" {
		t.Error(got)
	}
	_ = c.pass(t.Context(), time.Since(c.Now())+maxPullWait) // imports are accepted in the database's time
	for _, answers := range [][]exporttest.Answer{outage, {{Status: http.StatusTooManyRequests, Header: map[string]string{"Retry-After": "3600"}}}} {
		_ = c.pass(t.Context(), time.Hour)
		req := begin(answers...)
		if waits := f.bring(t, c, req); len(waits) > 0 {
			t.Errorf("waited for %s", waits)
		}
		if _, got := f.accountAt(t, req.ID, s.URL); !strings.HasPrefix(got, "fhir failed 0 (the cohort: the Group: ") {
			t.Error(got)
		}
	}
}

// linesOf are those of the files of an import that are in the queue, and fails where one is there in two chunks.
func (f *fetcher) linesOf(t *testing.T, files int) (all [][]string) {
	t.Helper()
	content, _, _ := f.published(t, files)
	for _, c := range content {
		var list []string
		for line := range strings.Lines(c) {
			var r struct{ ResourceType, ID string }
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				t.Fatal(err)
			}
			list = append(list, r.ResourceType+"/"+r.ID)
		}
		all = append(all, list)
	}
	return all
}
