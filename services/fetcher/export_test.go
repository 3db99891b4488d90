package fetcher

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/stoker-fhir/stoker/pkg/bus"
	"github.com/stoker-fhir/stoker/pkg/exporttest"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// clock is a time that passes when it is told to.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// pass lets time pass, at once.
func (c *clock) pass(_ context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	return nil
}

// exporting is a fetcher with a clock of its own.
func exporting(t *testing.T) (*fetcher, *clock, *pgxpool.Pool) {
	t.Helper()
	f, pool := newFetcher(t)
	c := &clock{now: time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)}
	f.source.Now, f.source.Sleep = c.Now, c.pass
	return f, c, pool
}

func exportRequest(t *testing.T, url string, parameters ...string) fhirmsg.ImportRequest {
	t.Helper()
	id, err := fhirmsg.NewImportID(time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	e := &fhirmsg.Export{URL: url}
	for i := 0; i < len(parameters); i += 2 {
		e.Add(parameters[i], parameters[i+1])
	}
	return fhirmsg.ImportRequest{ID: id, Mode: fhirmsg.ModeSync, Sources: []fhirmsg.Source{{Export: e}}}.WithDefaults()
}

// bring hands a request in again as long as it is handed back, each time when it is due, and returns how long it was
// waited for each time.
func (f *fetcher) bring(t *testing.T, c *clock, req fhirmsg.ImportRequest) (waits []time.Duration) {
	t.Helper()
	for range 300 {
		err := f.fetch(t.Context(), req)
		wait, later := bus.Delay(err)
		if err != nil && !later {
			t.Fatal(err)
		}
		if !later {
			return waits
		}
		waits = append(waits, wait)
		_ = c.pass(t.Context(), wait)
	}
	t.Fatalf("the request is handed back for ever: %v", waits)
	return nil
}

// account is an import in short: its files, and what was noticed.
func (f *fetcher) account(t *testing.T, id fhirmsg.ImportID, s *exporttest.Server) (ledger.Status, string) {
	t.Helper()
	return f.accountAt(t, id, s.URL)
}

// accountAt is account of an import from a server at a URL.
func (f *fetcher) accountAt(t *testing.T, id fhirmsg.ImportID, server string) (ledger.Status, string) {
	t.Helper()
	status, err := f.ledger.Status(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, file := range status.Files {
		name := file.Name[strings.LastIndexByte(file.Name, '/')+1:]
		fmt.Fprintf(&b, "%s %s %d", name, file.State, file.Lines)
		if file.Reason != "" {
			fmt.Fprintf(&b, " (%s)", strings.ReplaceAll(file.Reason, strings.TrimSuffix(server, "/fhir"), ""))
		}
		b.WriteString("\n")
	}
	for _, n := range status.Notes {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	return status, b.String()
}

var (
	march = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	april = time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)
)

const since = "2026-03-15T00:00:00Z"

// TestExportAsEpic: a job that takes many hours is waited for, and polled no more often than need be.
func TestExportAsEpic(t *testing.T) {
	t.Parallel()
	f, c, _ := exporting(t)
	s := exporttest.New(t, exporttest.Epic(exporttest.Patients(3, march)...))
	req := exportRequest(t, s.URL+"/Group/1/$export", "_type", "Patient")
	begun := c.Now()
	f.bring(t, c, req)
	_, account := f.account(t, req.ID, s)
	if took, polls := c.Now().Sub(begun), len(s.Asked(exporttest.Status)); account != "0.Patient.ndjson closed 3\n" || took < 8*time.Hour || polls > 160 {
		t.Errorf("after %s and %d polls: %s", took, polls, account)
	}
	wantJobs(t, s, "at the end", 1, 0)
}

// TestExport: exports of servers in all dialects and with all their quirks are imported whole and once; each job is begun
// once, and removed.
func TestExport(t *testing.T) {
	t.Parallel()
	both := slices.Concat(exporttest.Patients(3, march), exporttest.Of("Observation", 2, april))
	const all = "0.Patient.ndjson closed 3\n1.Observation.ndjson closed 2\n"
	tests := []struct {
		name       string
		opts       exporttest.Options
		at         string   // "": /$export
		parameters []string // names and values
		token      bool     // is given
		want       string
		kickOffs   string // methods
	}{
		{name: "version 1", opts: exporttest.Options{}, want: all, kickOffs: "GET"},
		{name: "version 3", opts: exporttest.Options{Dialect: exporttest.V3, PageFiles: 1}, want: all, kickOffs: "GET"},
		{name: "version 4, POST only", opts: exporttest.Options{Dialect: exporttest.V4, PageFiles: 1}, want: all, kickOffs: "GET POST"},
		{name: "version 4, GET is not found", opts: exporttest.Options{Dialect: exporttest.V4, NotFound: true}, parameters: []string{"_type", "Patient,Observation", "_type", "Encounter", "_since", "2026-01-01T00:00:00Z"},
			want: all, kickOffs: "GET POST"},
		{name: "GET only", opts: exporttest.Options{GetOnly: true}, parameters: []string{"_type", "Patient", "_type", "Observation"}, want: all, kickOffs: "GET"},
		{name: "patient is posted", opts: exporttest.Options{}, at: "/Patient/$export", parameters: []string{"patient", "Patient/1", "patient", "Patient/2"}, want: "0.Patient.ndjson closed 2\n1.Observation.ndjson closed 2\n", kickOffs: "POST"},
		{name: "patient where POST is not taken", opts: exporttest.Options{GetOnly: true}, at: "/Patient/$export", parameters: []string{"patient", "Patient/1"},
			want: "$export failed 0 (asked for the export, the server answered 405 Method Not Allowed)\n", kickOffs: "POST"},
		{name: "a relative status URL", opts: exporttest.Options{Relative: true}, want: all, kickOffs: "GET"},
		{name: "the status URL in Location", opts: exporttest.Options{Location: true}, want: all, kickOffs: "GET"},
		{name: "X-Export-Status", opts: exporttest.Options{Dialect: exporttest.V4, Separate: true}, want: all, kickOffs: "GET POST"},
		{name: "a type", opts: exporttest.Options{}, parameters: []string{"_type", "Observation"}, want: "0.Observation.ndjson closed 2\n", kickOffs: "GET"},
		{name: "since", opts: exporttest.Options{}, parameters: []string{"_since", since}, want: "0.Observation.ndjson closed 2\n", kickOffs: "GET"},
		{name: "_type is not heeded", opts: exporttest.Options{IgnoreType: true}, parameters: []string{"_type", "Observation"},
			want: all + "note: the server sent resources of type Patient, which _type does not ask for\n", kickOffs: "GET"},
		{name: "_since is not heeded", opts: exporttest.Options{IgnoreSince: true}, parameters: []string{"_since", since}, want: all + "note: " + notSince + "\n", kickOffs: "GET"},
		{name: "organizeOutputBy", opts: exporttest.Options{Dialect: exporttest.V3, Organize: true}, parameters: []string{"organizeOutputBy", "Patient", "_type", "Patient"},
			want: "0..ndjson closed 6\n", kickOffs: "GET"},
		{name: "organizeOutputBy, _type is not heeded", opts: exporttest.Options{Dialect: exporttest.V3, Organize: true, IgnoreType: true}, parameters: []string{"organizeOutputBy", "Patient", "_type", "Patient"},
			want: "0..ndjson closed 8\nnote: the server sent resources of type Observation, which _type does not ask for\n", kickOffs: "GET"},
		{name: "continuesInFile, no dates, the same ids again", opts: exporttest.Options{Continues: true, PerFile: 2, NoMeta: true, Repeat: 2},
			want: "0.Patient.ndjson closed 3\n1.Patient.ndjson closed 3\n2.Patient.ndjson closed 3\n3.Observation.ndjson closed 3\n4.Observation.ndjson closed 3\n", kickOffs: "GET"},
		{name: "deletions in a file that is named after another type", opts: exporttest.Options{Deleted: []string{"Patient/7"}, Misnamed: true}, want: all + "Observation.deleted.ndjson closed 1\n", kickOffs: "GET"},
		{name: "some of it failed", opts: exporttest.Options{Outcomes: []string{exporttest.Outcome("not-found", "Patient/secret"), `{"resourceType":"OperationOutcome","issue":[{"severity":"warning","code":"informational"}]}`}},
			want: all + "problems.ndjson closed 2\nnote: the server reports of its own work: error not-found\nnote: the server reports of its own work: warning informational\n", kickOffs: "GET"},
		{name: "some of it failed, said over several lines", opts: exporttest.Options{Outcomes: []string{strings.ReplaceAll(exporttest.Outcome("not-found", "Patient/secret"), ",", ",\n")}},
			want: all + "problems.ndjson closed 1\nnote: the server reports of its own work: error not-found\n", kickOffs: "GET"},
		{name: "a token for all", opts: exporttest.Options{Token: "t"}, token: true, want: all, kickOffs: "GET"},
		{name: "files have their own", opts: exporttest.Options{Token: "t", Presigned: true}, token: true, want: all, kickOffs: "GET"},
		{name: "files need a token although the manifest says no", opts: exporttest.Options{Token: "t", SaysAnonymous: true, GetOnly: true}, token: true, want: all, kickOffs: "GET"},
		{name: "no token", opts: exporttest.Options{Token: "t"}, want: "$export failed 0 (asked for the export, the server answered 401 Unauthorized: error login)\n", kickOffs: "GET GET GET"},
		{name: "files that are chunked, compressed, and end without a newline", opts: exporttest.Options{NoLength: true, Gzip: true, NoNewline: true, WrongCounts: true}, want: all, kickOffs: "GET"},
		{name: "as Epic", opts: exporttest.Epic(both...), at: "/Group/1/$export", parameters: []string{"_type", "Patient,Observation", "_typeFilter", "Observation?category=laboratory,vital-signs"}, want: all, kickOffs: "GET"},
		{name: "as Epic, without a type", opts: exporttest.Epic(both...), at: "/Group/1/$export",
			want: "$export failed 0 (asked for the export, the server answered 400 Bad Request: error invalid)\n", kickOffs: "GET POST"},
		{name: "as Epic, of all", opts: exporttest.Epic(both...), parameters: []string{"_type", "Patient"},
			want: "$export failed 0 (asked for the export, the server answered 404 Not Found: error not-found)\n", kickOffs: "GET POST"},
		{name: "nothing new", opts: exporttest.Options{GroupsOnly: true}, parameters: []string{"_since", since},
			want: "note: the server answered 404 to an export of changes, which is taken for nothing new; what time it is of is not known\n", kickOffs: "GET POST"},
		{name: "nothing at all", opts: exporttest.Options{}, parameters: []string{"_type", "Encounter"}, want: "", kickOffs: "GET"},
	}
	f, c, _ := exporting(t)
	for _, tt := range tests {
		if tt.opts.Resources == nil {
			tt.opts.Resources = both
		}
		tt.opts.Time = april.Add(time.Hour)
		s := exporttest.New(t, tt.opts)
		at := tt.at
		if at == "" {
			at = "/$export"
		}
		req := exportRequest(t, s.URL+at, tt.parameters...)
		if tt.token {
			req.Sources[0].Headers = []fhirmsg.Header{{Name: "Authorization", Value: "Bearer t"}}
		}
		f.bring(t, c, req)
		status, got := f.account(t, req.ID, s)
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
		var kickOffs []string
		for _, a := range s.Asked(exporttest.KickOff) {
			kickOffs = append(kickOffs, a.Method)
		}
		if got := strings.Join(kickOffs, " "); got != tt.kickOffs {
			t.Errorf("%s: asked by %s, want %s", tt.name, got, tt.kickOffs)
		}
		begun, there := s.Jobs()
		if failed := strings.Contains(tt.want, "$export failed") || strings.Contains(tt.want, "answered 404"); failed != (begun == 0) || begun > 1 || there != 0 {
			t.Errorf("%s: %d jobs begun, %d are there", tt.name, begun, there)
		}
		if want := begun == 1; (status.TransactionTime != nil) != want || want && !status.TransactionTime.Equal(tt.opts.Time) {
			t.Errorf("%s: transaction time %v", tt.name, status.TransactionTime)
		}
		if status.State != ledger.StateDraining {
			t.Errorf("%s: the import is %s", tt.name, status.State)
		}
	}
}
