package fetcher

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stoker-fhir/stoker/pkg/exporttest"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/supplier"
)

func answer(status int, retryAfter, body string) exporttest.Answer {
	a := exporttest.Answer{Status: status, Body: body, Header: map[string]string{}}
	if retryAfter != "" {
		a.Header["Retry-After"] = retryAfter
	}
	return a
}

// TestExportWaits: whatever the server asks to wait is waited, in both forms of Retry-After, and where it does not ask, longer
// each time. What passes ends nothing, and no worker waits.
func TestExportWaits(t *testing.T) {
	t.Parallel()
	const second, minute = time.Second, time.Minute
	dated := func(status int, in time.Duration) exporttest.Answer {
		a := answer(status, "", "")
		at := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
		a.Header["Date"], a.Header["Retry-After"] = at.Format(http.TimeFormat), at.Add(in).Format(http.TimeFormat)
		return a
	}
	f, c, _ := exporting(t)
	for _, tt := range []struct {
		name            string
		kickOff, status []exporttest.Answer
		want            []time.Duration
	}{
		{"nothing to wait for", nil, nil, []time.Duration{second}},
		{"429 in seconds", []exporttest.Answer{answer(429, "120", "")}, []exporttest.Answer{answer(429, "30", "")}, []time.Duration{2 * minute, second, 30 * second}},
		{"429 with a time", []exporttest.Answer{dated(429, 90*second)}, []exporttest.Answer{dated(429, minute)}, []time.Duration{90 * second, second, minute}},
		{"429 without", []exporttest.Answer{answer(429, "", ""), answer(429, "", "")}, nil, []time.Duration{second, 2 * second, second}},
		{"202 in both forms", nil, []exporttest.Answer{answer(202, "3600", ""), dated(202, 7*minute), answer(202, "0", "")},
			[]time.Duration{second, time.Hour, 7 * minute, 5 * minute}},
		{"202 backs off", nil, []exporttest.Answer{answer(202, "", ""), answer(202, "40", ""), answer(202, "", ""), answer(202, "20000", ""), answer(202, "", "")},
			[]time.Duration{second, second, 40 * second, 8400 * time.Millisecond, 20000 * second, 5 * minute}},
		{"more than a day", nil, []exporttest.Answer{answer(202, "9999999", "")}, []time.Duration{second, 24 * time.Hour}},
		{"transient", []exporttest.Answer{answer(500, "", exporttest.Outcome("transient", "x")), answer(503, "9", "busy")},
			[]exporttest.Answer{answer(500, "", exporttest.Outcome("transient", "x")), answer(502, "", "<html>"), answer(500, "", "<html>"), answer(400, "", exporttest.Outcome("lock-error", "x"))},
			[]time.Duration{second, 9 * second, second, second, 2 * second, 4 * second, 8 * second}},
		{"a token that ended", []exporttest.Answer{answer(401, "", "")}, []exporttest.Answer{answer(401, "", ""), answer(401, "", "")},
			[]time.Duration{second, second, second, 2 * second}},
	} {
		s := exporttest.New(t, exporttest.Options{Resources: exporttest.Patients(1, march), Time: april})
		s.Next(exporttest.KickOff, tt.kickOff...)
		s.Next(exporttest.Status, tt.status...)
		req := exportRequest(t, s.URL+"/$export")
		if diff := cmp.Diff(tt.want, f.bring(t, c, req)); diff != "" {
			t.Errorf("%s: waited (-want +got):\n%s", tt.name, diff)
		}
		status, account := f.account(t, req.ID, s)
		if begun, _ := s.Jobs(); begun != 1 || account != "0.Patient.ndjson closed 1\n" || status.Waiting != nil {
			t.Errorf("%s: %d jobs begun, %s, waiting for %+v", tt.name, begun, account, status.Waiting)
		}
	}
}

// TestExportFails: what will not be is said, without what may identify somebody; no job is left at the server.
func TestExportFails(t *testing.T) {
	t.Parallel()
	many := make([]exporttest.Answer, 1000)
	for i := range many {
		many[i] = answer(503, "3600", "")
	}
	fatal := `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"processing","details":{"text":"Patient/4711 of 'Erika Mustermann', born 1970-01-01, is ` +
		`not in https://secret.example/x?token=secret ` + strings.Repeat("long ", 100) + `"}},{"code":"Secret"}]}`
	f, c, _ := exporting(t)
	for _, tt := range []struct {
		name            string
		kickOff, status []exporttest.Answer
		want            string
	}{
		{"the kick-off is refused", []exporttest.Answer{answer(403, "", exporttest.Outcome("forbidden", "no access"))}, nil,
			"asked for the export, the server answered 403 Forbidden: error forbidden"},
		{"no such place, as another server says it", []exporttest.Answer{answer(404, "", "<html>"), answer(404, "", "<html>")}, nil, "asked for the export, the server answered 404"},
		{"no status URL", []exporttest.Answer{answer(202, "", "")}, nil, "asked for the export, the server answered 202 without Content-Location"},
		{"a status URL of another kind", []exporttest.Answer{{Status: 202, Header: map[string]string{"Content-Location": "file:///secret"}}}, nil, "no http or https URL"},
		{"a redirect of the kick-off to nowhere", []exporttest.Answer{{Status: 302, Header: map[string]string{"Location": "file:///secret"}}}, nil, "a redirect to what is not an http or https URL"},
		{"busy for ever", many[:0:0], many, "for a day nothing else was had from the server: asked how far the export is, the server answered 503"},
		{"not begun for ever", many, nil, "asked for the export, the server answered 503"},
		{"no token for ever", nil, []exporttest.Answer{answer(401, "", ""), answer(401, "", ""), answer(401, "", "")}, "asked how far the export is, the server answered 401"},
		{"the job is gone", nil, []exporttest.Answer{answer(410, "", "")}, "does not know the export any more"},
		{"the job failed", nil, []exporttest.Answer{answer(500, "", fatal)}, "asked how far the export is, the server answered 500 Internal Server Error: error processing)"},
	} {
		s := exporttest.New(t, exporttest.Options{Resources: exporttest.Patients(1, march), Time: april})
		s.Next(exporttest.KickOff, tt.kickOff...)
		s.Next(exporttest.Status, tt.status...)
		req := exportRequest(t, s.URL+"/$export", fhirmsg.ExportSince, since)
		f.bring(t, c, req)
		status, account := f.account(t, req.ID, s)
		if len(status.Files) != 1 || status.Files[0].State != "failed" || !strings.Contains(account, tt.want) || len(account) > 400 {
			t.Errorf("%s: %s, want %q", tt.name, account, tt.want)
		}
		for _, secret := range []string{"4711", "Erika", "1970", "secret", "Secret"} {
			if strings.Contains(account, secret) {
				t.Errorf("%s: %s tells %q", tt.name, account, secret)
			}
		}
		if _, there := s.Jobs(); there != 0 {
			t.Errorf("%s: %d jobs are left", tt.name, there)
		}
	}
}

// TestExportExpires: URLs of files that end when the files are about to be read are taken from the manifest again, which is
// read once for all of them.
func TestExportExpires(t *testing.T) {
	t.Parallel()
	f, c, _ := exporting(t)
	for _, gone := range []int{403, 404, 410} {
		s := exporttest.New(t, exporttest.Options{Resources: exporttest.Patients(30, march), PerFile: 1, Time: april, Gone: gone})
		s.Next(exporttest.File, answer(503, "", ""), answer(503, "", "")) // the first file is waited for, and meanwhile
		f.source.Sleep = func(ctx context.Context, d time.Duration) error {
			s.Expire()
			return c.pass(ctx, d)
		}
		req := exportRequest(t, s.URL+"/$export")
		f.bring(t, c, req)
		if _, account := f.account(t, req.ID, s); strings.Count(account, "closed 1\n") != 30 {
			t.Errorf("%d: %s", gone, account)
		}
		if n := len(s.Asked(exporttest.Status)); n != 3 { // to poll, to list, and once again
			t.Errorf("%d: the manifest was asked for %d times", gone, n)
		}
	}
}

// TestExportIsCut: a file that breaks off is gone on with where it ended; one that always does fails, and the others do not.
func TestExportIsCut(t *testing.T) {
	t.Parallel()
	f, c, _ := exporting(t)
	s := exporttest.New(t, exporttest.Options{Resources: exporttest.Patients(200, march), PerFile: 100, Time: april})
	s.Cut(3)
	req := exportRequest(t, s.URL+"/$export")
	f.bring(t, c, req)
	if _, account := f.account(t, req.ID, s); account != "0.Patient.ndjson closed 100\n1.Patient.ndjson closed 100\n" {
		t.Error(account)
	}
	if files := s.Asked(exporttest.File); len(files) != 5 || files[1].Header.Get("Range") == "" {
		t.Errorf("%d requests for files", len(files))
	}
	s.Set(func(o *exporttest.Options) { o.WrongCounts = true })
	s.Next(exporttest.File, answer(500, "", ""), answer(500, "", ""), answer(500, "", ""), answer(500, "", ""), answer(500, "", ""), answer(500, "", ""), answer(500, "", ""), answer(500, "", ""))
	req = exportRequest(t, s.URL+"/$export")
	f.bring(t, c, req)
	status, account := f.account(t, req.ID, s)
	if !strings.HasPrefix(account, "0.Patient.ndjson failed 0 (open: given up after 8 attempts") || !strings.Contains(account, "1.Patient.ndjson closed 100") {
		t.Error(account)
	}
	if *status.Files[1].Announced != 107 {
		t.Errorf("announced %d", *status.Files[1].Announced)
	}
	// Where nothing tells that a file is still the same, what broke off is not taken for all of it.
	s.Set(func(o *exporttest.Options) { o.NoLength = true })
	s.Cut(1)
	req = exportRequest(t, s.URL+"/$export")
	f.bring(t, c, req)
	if _, account := f.account(t, req.ID, s); !strings.HasPrefix(account, "0.Patient.ndjson failed") || !strings.Contains(account, "cut short") {
		t.Errorf("without a length: %s", account)
	}
}

// TestExportAsked: nothing is asked for outside of what the supplier's policy allows: no export, no status, no manifest that
// follows, no file, and no job to remove.
func TestExportAsked(t *testing.T) {
	t.Parallel()
	f, c, _ := exporting(t)
	other := exporttest.New(t, exporttest.Options{})
	for i, tt := range []struct {
		name     string
		prefixes func(root string) []string
		kickOff  []exporttest.Answer
		want     string
	}{
		{"nothing", func(string) []string { return nil }, nil, "failed 0 (asked"},
		{"all of it", func(root string) []string { return []string{root} }, nil, "0.Patient.ndjson closed 1\n"},
		{"no status", func(root string) []string { return []string{root + "/fhir"} }, nil, "$export failed"},
		{"no files", func(root string) []string { return []string{root + "/fhir", root + "/jobs"} }, nil, "0.Patient.ndjson failed"},
		{"a status elsewhere", func(root string) []string { return []string{root} },
			[]exporttest.Answer{{Status: 202, Header: map[string]string{"Content-Location": other.URL + "/jobs/0"}}}, "$export failed"},
		{"a redirect elsewhere", func(root string) []string { return []string{root} },
			[]exporttest.Answer{{Status: 307, Header: map[string]string{"Location": other.URL + "/$export"}}}, "$export failed"},
	} {
		s := exporttest.New(t, exporttest.Options{Resources: exporttest.Patients(1, march), Time: april})
		s.Next(exporttest.KickOff, tt.kickOff...)
		root := strings.TrimSuffix(s.URL, "/fhir")
		name := fmt.Sprintf("clinic-%d", i)
		policy := supplier.Policy{URLPrefixes: tt.prefixes(root), InternalHosts: []string{"127.0.0.1"}}
		if err := f.ledger.AddSupplier(t.Context(), supplier.Supplier{Name: name, Policy: policy}, false); err != nil {
			t.Fatal(err)
		}
		req := exportRequest(t, s.URL+"/$export")
		req.Supplier, req.Dataset = name, name
		f.bring(t, c, req)
		_, account := f.account(t, req.ID, s)
		if tt.name == "nothing" {
			if !strings.Contains(account, "refused by the supplier's policy") || len(s.Asked()) != 0 {
				t.Errorf("%s: %s, %d requests", tt.name, account, len(s.Asked()))
			}
		} else if !strings.Contains(account, tt.want) || tt.name != "all of it" && !strings.Contains(account, "refused by the supplier's policy") {
			t.Errorf("%s: %s", tt.name, account)
		}
		if asked := other.Asked(); len(asked) != 0 {
			t.Errorf("%s: the other server was asked for %s", tt.name, asked[0].Path)
		}
	}
}

// TestExportNamesAnother: without a policy a server cannot have another one asked, or told to remove anything, not even by a
// status URL that an older version has stored.
func TestExportNamesAnother(t *testing.T) {
	t.Parallel()
	f, c, _ := exporting(t)
	var asked atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	t.Cleanup(other.Close)
	s := exporttest.New(t, exporttest.Options{Resources: exporttest.Patients(1, march), Time: april, Hold: true})
	target := other.URL + "/datasets/fhir"
	s.Next(exporttest.KickOff, exporttest.Answer{Status: 202, Header: map[string]string{"Content-Location": target}})
	req := exportRequest(t, s.URL+"/$export")
	f.bring(t, c, req)
	if _, account := f.account(t, req.ID, s); !strings.Contains(account, "a status URL at another origin") {
		t.Errorf("it is %s", account)
	}

	req = exportRequest(t, s.URL+"/$export")
	f.step(t, c, req)
	e, _, err := f.ledger.ClaimExport(t.Context(), req.ID, 0, c.Now(), c.Now())
	if err != nil {
		t.Fatal(err)
	}
	job, err := jobOf(e)
	if err != nil {
		t.Fatal(err)
	}
	job.Status, job.Server = target, ""
	if _, _, err := f.keepExport(t.Context(), e, job, 0); err != nil {
		t.Fatal(err)
	}
	if err := f.ledger.Cancel(t.Context(), req.ID); err != nil {
		t.Fatal(err)
	}
	for range 2 { // it is given up at once
		if err := f.removeExports(t.Context(), req.ID); err != nil {
			t.Fatal(err)
		}
	}
	if list, err := f.ledger.ClaimOverExports(t.Context(), req.ID, c.Now(), c.Now(), 1); err != nil || len(list) != 0 {
		t.Errorf("%d exports are to be removed, %v", len(list), err)
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("the other server was asked %d times", n)
	}
}

// TestExportOfElements: what has some elements only is taken as incomplete, whether or not it says so.
func TestExportOfElements(t *testing.T) {
	t.Parallel()
	f, c, _ := exporting(t)
	s := exporttest.New(t, exporttest.Options{Resources: exporttest.Patients(1, march), NoTag: true, Deleted: []string{"Patient/9"}, Time: april})
	req := exportRequest(t, s.URL+"/$export", fhirmsg.ExportElements, "Patient.id,Patient.language")
	f.bring(t, c, req)
	files, _, err := f.ledger.Files(t.Context(), req.ID)
	if err != nil {
		t.Fatal(err)
	}
	_, got, _ := f.published(t, 2)
	if diff := cmp.Diff([]string{`type "Patient" outcome false as of 2026-04-01 incomplete [Patient]`, `type "" outcome false as of 2026-04-01`}, got); diff != "" || len(files) != 2 {
		t.Errorf("chunks (-want +got):\n%s", diff)
	}
	status, _ := f.account(t, req.ID, s)
	if status.State != ledger.StateDraining {
		t.Errorf("it is %s", status.State)
	}
}
