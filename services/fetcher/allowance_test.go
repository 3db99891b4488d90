package fetcher

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stoker-fhir/stoker/pkg/bus"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/supplier"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/source"
)

// request is one of a supplier, for files in a folder.
func request(t *testing.T, name, dir string) fhirmsg.ImportRequest {
	t.Helper()
	id, err := fhirmsg.NewImportID(time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return fhirmsg.ImportRequest{ID: id, Supplier: name, ChunkSize: fhirmsg.MinChunkSize, Sources: []fhirmsg.Source{{Path: dir}}}
}

// files writes files of so many lines of 600 bytes, of which one fills a chunk.
func files(t *testing.T, lines ...int) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for i, n := range lines {
		line := fmt.Sprintf(`{"resourceType":"Patient","id":"%d","x":"`, i)
		line += strings.Repeat("x", 600-len(line)-3) + "\"}\n"
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.ndjson", i)), []byte(strings.Repeat(line, n)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestAllowance: of an import that has more than its supplier may send, the file with which it has
// fails, and so do those behind it. What came before is published.
func TestAllowance(t *testing.T) {
	t.Parallel()
	f, _ := newFetcher(t)
	f.source = source.Config{Roots: []string{"/"}}
	tests := []struct {
		name   string
		policy supplier.Policy
		lines  []int
		states string
		read   int64 // lines
		reason string
	}{
		{"all of it", supplier.Policy{MaxLines: 5, MaxBytes: 3000}, []int{2, 3}, "closed closed", 5, ""},
		{"nothing behind it", supplier.Policy{MaxLines: 5, MaxBytes: 3000}, []int{5, 0}, "closed closed", 5, ""},
		{"lines", supplier.Policy{MaxLines: 4}, []int{2, 4, 1}, "closed failed failed", 4, "more than the 4 lines that the policy of supplier a"},
		{"bytes", supplier.Policy{MaxBytes: 2999}, []int{2, 3}, "closed failed", 4, "more than the 2999 bytes that the policy of supplier a"},
		{"no limit", supplier.Policy{}, []int{9}, "closed", 9, ""},
	}
	for _, tt := range tests {
		s := supplier.Supplier{Name: "a", Policy: tt.policy}
		if err := f.ledger.AddSupplier(t.Context(), s, true); err != nil {
			t.Fatal(err)
		}
		req := request(t, "a", files(t, tt.lines...))
		if err := f.fetch(t.Context(), req); err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		status, err := f.ledger.Status(t.Context(), req.ID)
		if err != nil {
			t.Fatal(err)
		}
		var states []string
		for _, file := range status.Files {
			states = append(states, file.State)
			if (file.State == "failed") != (file.Reason != "") || !strings.Contains(tt.reason+file.Reason, tt.reason) {
				t.Errorf("%s: %s failed with %q, want %q", tt.name, file.Name, file.Reason, tt.reason)
			}
		}
		if got := strings.Join(states, " "); got != tt.states || status.Lines.Read != tt.read {
			t.Errorf("%s: %s, %d lines; want %s, %d", tt.name, got, status.Lines.Read, tt.states, tt.read)
		}
	}
}

// TestAllowanceIsResumed: a fetcher that follows another one counts what that one published.
func TestAllowanceIsResumed(t *testing.T) {
	t.Parallel()
	f, pool := newFetcher(t)
	if err := f.ledger.AddSupplier(t.Context(), supplier.Supplier{Name: "a", Policy: supplier.Policy{MaxLines: 4}}, false); err != nil {
		t.Fatal(err)
	}
	f.source = source.Config{Roots: []string{"/"}}
	req := request(t, "a", files(t, 2, 3))
	if err := f.fetch(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	// As if it had died with the second file in hand, after one chunk of it.
	if _, err := pool.Exec(t.Context(), `
		WITH forgotten AS (DELETE FROM stoker.fetched WHERE import = $1 AND file = 1 AND off > 0),
			opened AS (UPDATE stoker.file SET state = 'open', reason = '' WHERE import = $1 AND file = 1)
		UPDATE stoker.import SET state = 'fetching', closed = NULL WHERE id = $1`, [16]byte(req.ID)); err != nil {
		t.Fatal(err)
	}
	if err := f.fetch(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	status, err := f.ledger.Status(t.Context(), req.ID)
	if err != nil || status.Lines.Read != 4 || status.Files[0].State != "closed" || status.Files[1].State != "failed" {
		t.Errorf("%d lines, %+v, %v", status.Lines.Read, status.Files, err)
	}
}

// TestAllowanceStaysUsedUp: behind the file with which an import has too much nothing is read, by whomever.
func TestAllowanceStaysUsedUp(t *testing.T) {
	t.Parallel()
	f, pool := newFetcher(t)
	if err := f.ledger.AddSupplier(t.Context(), supplier.Supplier{Name: "a", Policy: supplier.Policy{MaxLines: 5}}, false); err != nil {
		t.Fatal(err)
	}
	f.source = source.Config{Roots: []string{"/"}}
	req := request(t, "a", files(t, 2, 9, 1))
	if err := f.fetch(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	// As if it had died behind the second file.
	if _, err := pool.Exec(t.Context(), `WITH waits AS (UPDATE stoker.file SET state = 'waiting', reason = '' WHERE import = $1 AND file = 2)
		UPDATE stoker.import SET state = 'fetching', closed = NULL WHERE id = $1`, [16]byte(req.ID)); err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(t.Context(), `DELETE FROM stoker.fetched WHERE import = $1 AND file > 0`, [16]byte(req.ID)); err != nil { // of one chunk
		t.Fatal(err)
	}
	if err := f.fetch(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	status, err := f.ledger.Status(t.Context(), req.ID)
	if err != nil || status.Files[2].State != "failed" || status.Files[2].Reason != status.Files[1].Reason {
		t.Errorf("%+v, %v", status.Files, err)
	}
}

// TestWaitsForEarlierImports: beyond what its supplier may have at once, an import is handed back, and
// nobody's place is taken meanwhile.
func TestWaitsForEarlierImports(t *testing.T) {
	t.Parallel()
	f, _ := newFetcher(t)
	if err := f.ledger.AddSupplier(t.Context(), supplier.Supplier{Name: "a", Policy: supplier.Policy{MaxImports: 1}}, false); err != nil {
		t.Fatal(err)
	}
	f.source = source.Config{Roots: []string{"/"}}
	dir := files(t, 1)
	first, second := request(t, "a", dir), request(t, "a", dir)
	if err := f.fetch(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	err := f.fetch(t.Context(), second)
	if later := bus.Later("", 0); err == nil || fmt.Sprintf("%T", err) != fmt.Sprintf("%T", later) {
		t.Fatalf("while the first is draining: %v", err)
	}
	if s, err := f.ledger.Status(t.Context(), second.ID); err != nil || s.State != ledger.StateAccepted || s.Waiting == nil {
		t.Errorf("it is %s, waits for %+v, %v", s.State, s.Waiting, err)
	}
	if err := f.ledger.Cancel(t.Context(), first.ID); err != nil {
		t.Fatal(err)
	}
	if err := f.fetch(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	if s, err := f.ledger.Status(t.Context(), second.ID); err != nil || s.State != ledger.StateDraining || s.Waiting != nil {
		t.Errorf("it is %s, waits for %+v, %v", s.State, s.Waiting, err)
	}
}

// TestRequestsOfSuppliers: what a supplier publishes itself is its own and held to its policy, whatever it
// says, and what is refused is shown.
func TestRequestsOfSuppliers(t *testing.T) {
	t.Parallel()
	f, pool := newFetcher(t)
	if err := f.ledger.AddSupplier(t.Context(), supplier.Supplier{Name: "a", Policy: supplier.Policy{Validation: fhirmsg.ValidationStrict}}, false); err != nil {
		t.Fatal(err)
	}
	own, others := fhirmsg.SupplierFetchSubject("a"), fhirmsg.FetchSubject("a")
	tests := []struct {
		name    string
		subject string
		change  func(*fhirmsg.ImportRequest)
		reason  string // "": it is no refusal of the subject
	}{
		{"another supplier", own, func(r *fhirmsg.ImportRequest) { r.Supplier = "b" }, "names supplier b"},
		{"a file of the server", own, func(r *fhirmsg.ImportRequest) { r.Supplier = "" }, "for its operator"},
		{"spooled content", own, func(r *fhirmsg.ImportRequest) { r.Sources = []fhirmsg.Source{{Spool: "b.ndjson"}} }, "for its operator"},
		{"what it delivered", own, func(r *fhirmsg.ImportRequest) {
			r.Sources = []fhirmsg.Source{{Delivered: &fhirmsg.Delivered{Supplier: "a", First: 1, Last: 1, Messages: 1}}}
		}, "for its operator"},
		{"a retry by a lower standard", own, func(r *fhirmsg.ImportRequest) {
			r.Sources, r.Retry, r.Validation = nil, fhirmsg.ImportID{1}, fhirmsg.ValidationOff
		}, "validated as strict"},
		{"an id that is made of a key", own, func(r *fhirmsg.ImportRequest) {
			r.ID, r.Sources = fhirmsg.ImportIDFromKey("b", "x"), []fhirmsg.Source{{URL: "https://example.org/x"}}
		}, "version 7"},
		{"an attempt", own, func(r *fhirmsg.ImportRequest) {
			r.Attempt, r.Sources = 1, []fhirmsg.Source{{URL: "https://example.org/x"}}
		}, "attempt"},
		{"another dataset", own, func(r *fhirmsg.ImportRequest) {
			r.Dataset, r.Sources = "others", []fhirmsg.Source{{URL: "https://example.org/x"}}
		}, "delivers with dataset a"},
		{"a URL that is not allowed", own, func(r *fhirmsg.ImportRequest) { r.Sources = []fhirmsg.Source{{URL: "https://example.org/x"}} }, ""},
		{"an export", own, func(r *fhirmsg.ImportRequest) {
			r.Sources = []fhirmsg.Source{{Export: &fhirmsg.Export{URL: "https://example.org/$export"}}}
		}, ""},
		{"a file, of the operator", others, func(*fhirmsg.ImportRequest) {}, ""},
	}
	for _, tt := range tests {
		req := request(t, "a", "/x")
		req.Dataset, req.Mode = "", ""
		tt.change(&req)
		msg, err := req.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if err := f.handle(t.Context(), []bus.Message{{Subject: tt.subject, Data: msg}}); err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		s, err := f.ledger.Status(t.Context(), req.ID)
		if err != nil || s.Supplier != "a" {
			t.Fatalf("%s: of supplier %q, %v", tt.name, s.Supplier, err)
		}
		if refused := s.State == ledger.StateFailed && s.Reason != ""; refused != (tt.reason != "") || !strings.Contains(s.Reason, tt.reason) {
			t.Errorf("%s: %s %q, want %q", tt.name, s.State, s.Reason, tt.reason)
		}
		// A second time, also as what may be had, it is the same import.
		if err := f.handle(t.Context(), []bus.Message{{Subject: tt.subject, Data: msg}}); err != nil {
			t.Errorf("%s, again: %v", tt.name, err)
		}
	}
	// What was accepted goes on as it was, whatever is asked for under its id.
	accepted := request(t, "a", files(t, 1))
	accepted.Dataset = ""
	if _, _, err := f.ledger.Accept(t.Context(), accepted, rules, "d"); err != nil {
		t.Fatal(err)
	}
	changed := accepted
	changed.Sources = []fhirmsg.Source{{Path: "/etc/passwd"}}
	msg, err := changed.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := f.handle(t.Context(), []bus.Message{{Subject: own, Data: msg}}); err != nil {
		t.Fatal(err)
	}
	if list, _, err := f.ledger.Files(t.Context(), accepted.ID); err != nil || len(list) != 1 || strings.Contains(list[0].Name, "passwd") {
		t.Errorf("files %+v, %v", list, err)
	}
	// So many wait, or are paused, that no more may, but for what waits already.
	if _, err := pool.Exec(t.Context(), `INSERT INTO stoker.import (id, issued, supplier, dataset, pins, request, state)
		SELECT gen_random_uuid(), issued - n * interval '1 second', supplier, dataset, pins, request, CASE WHEN n % 2 = 0 THEN 'accepted' ELSE 'paused' END FROM stoker.import, generate_series(1, $2) n WHERE id = $1`,
		[16]byte(accepted.ID), ledger.MaxOpenImports); err != nil {
		t.Fatal(err)
	}
	one := request(t, "a", "/x")
	one.Dataset, one.Mode, one.Sources = "", "", []fhirmsg.Source{{URL: "https://example.org/x"}}
	for subject, want := range map[string]bool{own: true, others: false} {
		if reason, err := f.refusal(t.Context(), &one, "a", subject == others); err != nil || strings.Contains(reason, "as many as may wait") != want {
			t.Errorf("one more on %s: %q, %v", subject, reason, err)
		}
	}
	if reason, err := f.refusal(t.Context(), &accepted, "a", false); err != nil || reason != "" {
		t.Errorf("one that was accepted: %q, %v", reason, err)
	}
	// What cannot be stored is given up, and not tried for ever.
	for _, change := range []func(*fhirmsg.ImportRequest){
		func(r *fhirmsg.ImportRequest) { r.Sources[0].Type = "x\x00" },
		func(r *fhirmsg.ImportRequest) { r.Attempt = 3_000_000_000 },
	} {
		for _, subject := range []string{own, others} {
			req := request(t, "a", "/x")
			change(&req)
			msg, err := req.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if err := f.handle(t.Context(), []bus.Message{{Subject: subject, Data: msg}}); !bus.IsPermanent(err) {
				t.Errorf("%s: %v", subject, err)
			}
		}
	}
	for _, subject := range []string{"stoker.fetch.", "stoker.fetch.A", "stoker.fetch.a.b"} {
		msg, _ := request(t, "a", "/x").Encode()
		if err := f.handle(t.Context(), []bus.Message{{Subject: subject, Data: msg}}); err == nil {
			t.Errorf("a request on %s was taken", subject)
		}
	}
}
