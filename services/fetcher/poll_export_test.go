package fetcher

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stoker-fhir/stoker/pkg/exporttest"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/supplier"
)

// cohort is a server with a Group of some patients, each with an observation, all of March.
func cohort(members ...string) exporttest.Options {
	o := exporttest.Options{Members: members, Time: april}
	for _, id := range []string{"a", "b", "c", "d"} {
		o.Resources = append(o.Resources, exporttest.Resource{Type: "Patient", ID: id, Updated: march},
			exporttest.Resource{Type: "Observation", ID: "of-" + id, Patient: id, Updated: march})
	}
	return o
}

func nightly(s *exporttest.Server, cursor *ledger.ExportCursor, change func(*ledger.SyncAsk)) ledger.SyncAsk {
	a := ledger.SyncAsk{Sync: supplier.Sync{Name: "trial", From: s.URL, Export: &supplier.Export{Group: "7", Types: []string{"Patient", "Observation"}}}.WithDefaults()}
	if cursor != nil {
		a.Cursor, _ = json.Marshal(cursor) // it can be
	}
	if change != nil {
		change(&a)
	}
	return a
}

// TestAskExport: what is asked for depends on what was imported, on who joined the Group since, and on whether the server tells.
func TestAskExport(t *testing.T) {
	t.Parallel()
	known := func(members ...string) *ledger.ExportCursor {
		return &ledger.ExportCursor{Time: &april, Members: members}
	}
	many := make([]string, maxJoined+1)
	for i := range many {
		many[i] = "p" + strings.Repeat("x", i%60) + string(rune('a'+i/60))
	}
	f, _, _ := exporting(t)
	const sinceApril = "2026-03-31T23:50:00Z"
	for _, tt := range []struct {
		name    string
		opts    exporttest.Options
		cursor  *ledger.ExportCursor
		change  func(*ledger.SyncAsk)
		answers []exporttest.Answer // to who is in the Group
		want    []string            // _since and patient of each export
		members string
		whole   bool
		notice  string
	}{
		{name: "the first time", opts: cohort("a", "b"), want: []string{" "}, members: "a b"},
		{name: "changes", opts: cohort("b", "a"), cursor: known("a", "b"), want: []string{sinceApril + " "}, members: "a b"},
		{name: "no member was there", opts: cohort("a"), cursor: known([]string{}...), want: []string{sinceApril + " ", " Patient/a"}, members: "a"},
		{name: "no member is there", opts: cohort("a"), cursor: known("a"), answers: []exporttest.Answer{{Status: 200, Body: `{"resourceType":"Group","id":"7"}`}}, want: []string{sinceApril + " "}, members: "", notice: "the Group has no patients"},
		{name: "an overlap of its own", opts: cohort("a"), cursor: known("a"), want: []string{"2026-03-31T00:00:00Z "}, members: "a",
			change: func(a *ledger.SyncAsk) { a.Export.Overlap = "24h" }},
		{name: "some joined, one left", opts: cohort("d", "b", "c"), cursor: known("a", "b"), want: []string{sinceApril + " ", " Patient/c,Patient/d"}, members: "b c d"},
		{name: "the server refused those who joined", opts: cohort("a", "b"), cursor: known("a"), want: []string{" "}, members: "a b", whole: true, notice: "does not export patients by themselves",
			change: func(a *ledger.SyncAsk) { a.JoinedRefused = true }},
		{name: "it did once", opts: cohort("a", "b"), cursor: &ledger.ExportCursor{Time: &april, Members: []string{"a"}, Whole: true}, want: []string{" "}, members: "a b", whole: true, notice: "does not export"},
		{name: "it did once, and nobody joined", opts: cohort("a"), cursor: &ledger.ExportCursor{Time: &april, Members: []string{"a"}, Whole: true}, want: []string{sinceApril + " "}, members: "a", whole: true},
		{name: "it did once, and all is asked for", opts: cohort("a", "b"), cursor: &ledger.ExportCursor{Whole: true}, want: []string{" "}, members: "a b", whole: true},
		{name: "it refused, and all is asked for", opts: cohort("a", "b"), want: []string{" "}, members: "a b", whole: true,
			change: func(a *ledger.SyncAsk) { a.JoinedRefused = true }},
		{name: "too many joined", opts: exporttest.Options{Members: many}, cursor: known("a"), want: []string{" "}, members: "", notice: "1001 patients joined"},
		{name: "not to be read", opts: exporttest.Epic(), cursor: known("a"), want: []string{sinceApril + " "}, members: "a", notice: "403 Forbidden): patients who join are complete after a run with --full only"},
		{name: "nor is it JSON", opts: cohort("a"), answers: []exporttest.Answer{{Status: 200, Body: "<Group/>"}}, want: []string{" "}, members: "", notice: "no Group in JSON"},
		{name: "to be read by now", opts: cohort("a"), cursor: &ledger.ExportCursor{Time: &april}, want: []string{" "}, members: "a", notice: "not known before"},
		{name: "it passes", opts: cohort("a"), cursor: known("a"), answers: []exporttest.Answer{{Status: 503}, {Status: 429}}, want: []string{sinceApril + " "}, members: "a"},
		{name: "no time", opts: cohort("a", "b"), cursor: &ledger.ExportCursor{Members: []string{"a"}}, want: []string{" "}, members: "a b"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := exporttest.New(t, tt.opts)
			s.Next(exporttest.Group, tt.answers...)
			found, err := f.askExport(t.Context(), nightly(s, tt.cursor, tt.change))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, source := range found.Sources {
				got = append(got, strings.Join(source.Export.Values(fhirmsg.ExportSince), ",")+" "+strings.Join(source.Export.Values(fhirmsg.ExportPatient), ","))
				if types := source.Export.List(fhirmsg.ExportType); !cmp.Equal(types, []string{"Patient", "Observation"}) || source.Export.URL != s.URL+"/Group/7/$export" {
					t.Errorf("asks %s for %v", source.Export.URL, types)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("asks for (-want +got):\n%s", diff)
			}
			var cursor ledger.ExportCursor
			if err := json.Unmarshal(found.Cursor, &cursor); err != nil {
				t.Fatal(err)
			}
			if members := strings.Join(cursor.Members, " "); len(cursor.Members) < 10 && members != tt.members || cursor.Whole != tt.whole {
				t.Errorf("members %q, whole %v", members, cursor.Whole)
			}
			if notices := strings.Join(found.Notices, "; "); (notices == "") != (tt.notice == "") || !strings.Contains(notices, tt.notice) {
				t.Errorf("noticed %q, want %q", notices, tt.notice)
			}
		})
	}
}

// TestAskExportFails: a Group that is gone, and a server that does not answer, are no reason to go on without.
func TestAskExportFails(t *testing.T) {
	t.Parallel()
	f, _, _ := exporting(t)
	gone := exporttest.New(t, exporttest.Options{})
	_, err := f.askExport(t.Context(), nightly(gone, &ledger.ExportCursor{Time: &april, Members: []string{"a"}}, nil))
	if err == nil || !strings.Contains(err.Error(), "it was there before") {
		t.Errorf("a Group that is gone: %v", err)
	}
	down := exporttest.New(t, cohort("a"))
	for range 8 {
		down.Next(exporttest.Group, exporttest.Answer{Status: http.StatusBadGateway})
	}
	if _, err := f.askExport(t.Context(), nightly(down, nil, nil)); err == nil || !strings.Contains(err.Error(), "502") {
		t.Errorf("a server that is down: %v", err)
	}
	if n := len(down.Asked(exporttest.Group)); n != 8 {
		t.Errorf("asked %d times", n)
	}
	// Under the policy of a supplier nothing else is asked.
	a := nightly(down, nil, nil)
	a.Declared = &supplier.Supplier{Name: "clinic-a", Policy: supplier.Policy{URLPrefixes: []string{"https://clinic-a.example/"}}}
	if _, err := f.askExport(t.Context(), a); err == nil || !strings.Contains(err.Error(), "refused by the supplier's policy") {
		t.Errorf("outside of the policy: %v", err)
	}
}

// TestExportOfWhoJoined: of a patient who joined everything is exported, also what has not changed for long, and the time that
// the next run asks since is that of the export of changes.
func TestExportOfWhoJoined(t *testing.T) {
	t.Parallel()
	f, c, _ := exporting(t)
	s := exporttest.New(t, cohort("a", "b"))
	s.Pass(exporttest.Day{At: april.Add(time.Hour), Put: []exporttest.Resource{{Type: "Observation", ID: "new", Patient: "a"}}, Delete: []string{"Observation/of-a"}})
	found, err := f.askExport(t.Context(), nightly(s, &ledger.ExportCursor{Time: &april, Members: []string{"a"}}, nil))
	if err != nil {
		t.Fatal(err)
	}
	req := exportRequest(t, s.URL+"/$export")
	req.Sources = found.Sources
	f.bring(t, c, req)
	_, account := f.account(t, req.ID, s)
	want := "0.Observation.ndjson closed 1\ndeleted.ndjson closed 1\n0.Patient.ndjson closed 1\n1.Observation.ndjson closed 1\n"
	if diff := cmp.Diff(want, account); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	var methods []string
	for _, a := range s.Asked(exporttest.KickOff) {
		methods = append(methods, a.Method)
	}
	if !cmp.Equal(methods, []string{"GET", "POST"}) {
		t.Errorf("asked by %v", methods)
	}
}
