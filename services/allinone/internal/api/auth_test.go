package api

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/supplier"
)

const operatorToken = "an operator's token of enough characters"

// TestWhoMayAsk: without a token only who asks from this machine, and only where that is enough.
func TestWhoMayAsk(t *testing.T) {
	t.Parallel()
	open := newFixture(t, Auth{OperatorToken: supplier.HashOf(operatorToken)})
	closed := newFixture(t, Auth{OperatorToken: supplier.HashOf(operatorToken), TokensOnly: true})
	for _, f := range []*fixture{open, closed} {
		good := f.supplier("clinic-a", supplier.Policy{})
		gone := f.supplier("clinic-b", supplier.Policy{})
		check(t, f.Ledger.RemoveSupplier(t.Context(), "clinic-b"))
		other, _ := supplier.NewToken("clinic-a")
		nobody, _ := supplier.NewToken("clinic-z")
		without := http.StatusOK
		if f == closed {
			without = http.StatusUnauthorized
		}
		for _, tt := range []struct {
			name, path, token string
			headers           []string
			want              int
		}{
			{"no token", "/imports", "", nil, without},
			{"through a proxy", "/imports", "", []string{"X-Forwarded-For", "192.0.2.1"}, http.StatusUnauthorized},
			{"operator", "/imports", operatorToken, nil, http.StatusOK},
			{"operator's part", "/streams", operatorToken, nil, http.StatusOK},
			{"supplier", "/imports", good, nil, http.StatusOK},
			{"supplier through a proxy", "/imports", good, []string{"X-Forwarded-For", "192.0.2.1"}, http.StatusOK},
			{"supplier, operator's part", "/streams", good, nil, http.StatusForbidden},
			{"itself", "/suppliers/clinic-a", good, nil, http.StatusOK},
			{"another supplier", "/suppliers/clinic-b", good, nil, http.StatusNotFound},
			{"removed", "/imports", gone, nil, http.StatusUnauthorized},
			{"another token", "/imports", other, nil, http.StatusUnauthorized},
			{"nobody's token", "/imports", nobody, nil, http.StatusUnauthorized},
			{"no such token", "/imports", "hunter2", nil, http.StatusUnauthorized},
			{"the hash", "/imports", supplier.HashOf(good), nil, http.StatusUnauthorized},
			{"another scheme", "/imports", "", []string{"Authorization", "Basic " + good}, http.StatusUnauthorized},
			{"health", "/healthz", "", nil, http.StatusOK},
		} {
			got := f.do(http.MethodGet, tt.path, tt.token, "", tt.headers...)
			if got.status != tt.want {
				t.Errorf("%s, tokens only %v: %d, want %d: %s", tt.name, f.Auth.TokensOnly, got.status, tt.want, got.body)
			}
			if (got.status == http.StatusUnauthorized) != strings.HasPrefix(got.header.Get("WWW-Authenticate"), "Bearer") {
				t.Errorf("%s: %d with WWW-Authenticate %q", tt.name, got.status, got.header.Get("WWW-Authenticate"))
			}
		}
		if self := f.do(http.MethodGet, "/suppliers/clinic-a", good, ""); strings.Contains(self.body, "sha256") {
			t.Errorf("a supplier is shown hashes: %s", self.body)
		}
	}
}

// TestForeignNames: who asks from this machine without a token is the operator, but not a page in the operator's browser, under a
// name that leads here (DNS rebinding) or from elsewhere.
func TestForeignNames(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{})
	port := f.url[strings.LastIndex(f.url, ":"):]
	for _, tt := range []struct {
		method, host, origin string
		want                 int
	}{
		{"GET", "localhost" + port, "", http.StatusOK},
		{"GET", "evil.example" + port, "", http.StatusForbidden},
		{"GET", "127.0.0.1.evil.example", "", http.StatusForbidden},
		{"POST", "127.0.0.1" + port, "http://evil.example", http.StatusForbidden},
		{"POST", "127.0.0.1" + port, "null", http.StatusForbidden},
		{"POST", "127.0.0.1" + port, "", http.StatusBadRequest}, // it is let in, and asks for nothing
	} {
		req, err := http.NewRequestWithContext(t.Context(), tt.method, f.url+"/imports", strings.NewReader("{}"))
		check(t, err)
		req.Host = tt.host
		if tt.origin != "" {
			req.Header.Set("Origin", tt.origin)
		}
		resp, err := http.DefaultClient.Do(req)
		check(t, err)
		_ = resp.Body.Close() // only the status counts
		if resp.StatusCode != tt.want {
			t.Errorf("%s at %s from %q: %d, want %d", tt.method, tt.host, tt.origin, resp.StatusCode, tt.want)
		}
	}
}

// TestOperatorsPart: a supplier's token opens nothing but what the routes say.
func TestOperatorsPart(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{})
	token := f.supplier("clinic-a", supplier.Policy{})
	tried := 0
	for _, route := range f.routes() {
		if route.who != operators {
			continue
		}
		tried++
		method, path, _ := strings.Cut(route.pattern, " ")
		path = strings.NewReplacer("{id}", f.accepted("clinic-a").String(), "{dataset}", "clinic-a", "{type}", "Patient", "{name}", "clinic-a").Replace(path)
		if got := f.do(method, path, token, "{}"); got.status != http.StatusForbidden {
			t.Errorf("%s: %d: %s", route.pattern, got.status, got.body)
		}
	}
	if tried < 15 {
		t.Errorf("only %d routes are for operators", tried)
	}
}

// TestOwnImports: what is another supplier's is answered as what is not there at all.
func TestOwnImports(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{})
	token := f.supplier("clinic-a", supplier.Policy{})
	f.supplier("clinic-b", supplier.Policy{})
	mine, others, unknown := f.accepted("clinic-a"), f.accepted("clinic-b"), fhirmsg.ImportID{9}
	for _, route := range f.routes() {
		method, path, _ := strings.Cut(route.pattern, " ")
		if route.who != anyone || !strings.Contains(path, "{id}") {
			continue
		}
		of, file := f.accepted, rejectedFile
		if strings.Contains(path, "$bulk-submit") {
			of, file = f.submission, filesKind+"-1.ndjson"
		}
		ask := func(id fhirmsg.ImportID) answer {
			return f.do(method, strings.NewReplacer("{id}", id.String(), "{import}", importOf("clinic-a", manifestURL).String(), "{file}", file).Replace(path), token, "")
		}
		theirs, none := ask(of("clinic-b")), ask(unknown)
		if theirs.status != http.StatusNotFound || theirs.status != none.status || theirs.body != none.body {
			t.Errorf("%s: of another supplier %d %s, not there %d %s", route.pattern, theirs.status, theirs.body, none.status, none.body)
		}
		if got := ask(of("clinic-a")); got.status == http.StatusNotFound {
			t.Errorf("%s: its own is not there: %s", route.pattern, got.body)
		}
	}
	if s, err := f.Ledger.Status(t.Context(), others); err != nil || s.State != ledger.StateAccepted {
		t.Errorf("the other supplier's import is %s, %v", s.State, err)
	}
	if list := f.do(http.MethodGet, "/imports", token, ""); strings.Contains(list.body, others.String()) || !strings.Contains(list.body, mine.String()) {
		t.Errorf("list: %s", list.body)
	}
	if list := f.do(http.MethodGet, "/imports", "", ""); !strings.Contains(list.body, others.String()) || !strings.Contains(list.body, mine.String()) {
		t.Errorf("the operator's list: %s", list.body)
	}
}

// TestWhatSuppliersMayAsk: an import by a token is its supplier's, of what the supplier handed in or
// of URLs, and by its policy.
func TestWhatSuppliersMayAsk(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{})
	token := f.supplier("clinic-a", supplier.Policy{Validation: fhirmsg.ValidationStrict})
	other := f.supplier("clinic-b", supplier.Policy{MaxBytes: 4})
	spooled := func(token string) string {
		got := f.do(http.MethodPut, "/spool", token, `{"a":1}`)
		_, name, _ := strings.Cut(got.body, `"spool":"`)
		name, _, _ = strings.Cut(name, `"`)
		return name
	}
	mine := spooled(token)
	if got := f.do(http.MethodPut, "/spool", other, `{"a":1}`); got.status != http.StatusRequestEntityTooLarge {
		t.Errorf("more than a supplier may send: %d: %s", got.status, got.body)
	}
	for _, tt := range []struct {
		name, body string
		want       int
		problem    string
	}{
		{"URL", `{"sources":[{"url":"https://a.example/x"}]}`, 202, ""},
		{"handed in", `{"sources":[{"spool":"` + mine + `"}]}`, 202, ""},
		{"its name", `{"supplier":"clinic-a","sources":[{"url":"https://a.example/x"}]}`, 202, ""},
		{"its dataset", `{"dataset":"clinic-a","sources":[{"url":"https://a.example/x"}]}`, 202, ""},
		{"another dataset", `{"dataset":"fhir","sources":[{"url":"https://a.example/x"}]}`, 422, "the request says fhir"},
		{"laxer", `{"validation":"off","sources":[{"url":"https://a.example/x"}]}`, 422, "validated as strict"},
		{"another supplier", `{"supplier":"clinic-b","sources":[{"url":"https://a.example/x"}]}`, 403, "of supplier clinic-a"},
		{"a file of the server", `{"sources":[{"url":"https://a.example/x"},{"path":"/etc/passwd"}]}`, 403, "sources[1].path"},
		{"handed in by another", `{"sources":[{"spool":"` + spooled("") + `"}]}`, 403, "sources[0].spool"},
		{"an id", `{"id":"01977a3e-5a5c-7b3a-9c1d-2f1e0d9c8b7a","sources":[{"url":"https://a.example/x"}]}`, 403, "Idempotency-Key"},
		{"NUL", `{"sources":[{"url":"x\u0000"}]}`, 400, "url"},
		{"an attempt", `{"attempt":1,"sources":[{"url":"https://a.example/x"}]}`, 403, "attempt"},
		{"nothing", `{}`, 400, "sources"},
		{"no JSON", `x`, 400, "import request"},
	} {
		if got := f.do(http.MethodPost, "/imports", token, tt.body); got.status != tt.want || !strings.Contains(got.problem(), tt.problem) {
			t.Errorf("%s: %d %s; want %d %s", tt.name, got.status, got.body, tt.want, tt.problem)
		}
	}
	check(t, f.Ledger.RemoveSupplier(t.Context(), "clinic-b"))
	if got := f.do(http.MethodPost, "/imports", "", `{"supplier":"clinic-b","sources":[{"url":"https://a.example/x"}]}`); got.status != 422 || !strings.Contains(got.problem(), "removed") {
		t.Errorf("in the name of a removed supplier: %d: %s", got.status, got.body)
	}
}

// TestLimitsOfRequests: what is too much is answered with when to try again.
func TestLimitsOfRequests(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{})
	const body = `{"sources":[{"url":"https://a.example/x"}]}`
	token := f.supplier("clinic-a", supplier.Policy{MaxImports: 1})
	id := f.accepted("clinic-a")
	got := f.do(http.MethodPost, "/imports", token, body, headerKey, "1")
	if got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") == "" {
		t.Errorf("while one is under way: %d, Retry-After %q: %s", got.status, got.header.Get("Retry-After"), got.body)
	}
	if got := f.do(http.MethodPost, "/imports", "", `{"supplier":"clinic-a",`+body[1:]); got.status != http.StatusAccepted {
		t.Errorf("an operator's waits its turn: %d: %s", got.status, got.body)
	}
	check(t, f.Ledger.Cancel(t.Context(), id))
	if got := f.do(http.MethodPost, "/imports", token, body, headerKey, "1"); got.status != http.StatusAccepted {
		t.Errorf("after its end, with the same key: %d: %s", got.status, got.body)
	}

	// Paused ones do not count, but what they have takes room.
	token = f.supplier("clinic-d", supplier.Policy{MaxImports: 1})
	const file = "/suppliers/clinic-d/files/x"
	for i := range 1 + uploads.Open {
		id := f.do(http.MethodPut, file, token, "{}").imported(t)
		f.accept(id, "clinic-d", []fhirmsg.Source{{Spool: "x"}})
		if got := f.do(http.MethodPost, "/imports/"+id.String()+"/pause", token, ""); got.status != http.StatusOK {
			t.Fatalf("paused %d: %d %s", i, got.status, got.body)
		}
	}
	name := f.spooled(token, line)
	for _, request := range []struct{ method, path, body string }{{http.MethodPut, file, "{}"}, {http.MethodPost, "/imports", named(name)}} {
		if got := f.do(request.method, request.path, token, request.body); got.status != http.StatusTooManyRequests || !strings.Contains(got.body, "paused") {
			t.Errorf("%s while what paused imports have takes all room: %d %s", request.path, got.status, got.body)
		}
	}
	if got := f.do(http.MethodPost, "/imports", token, body); got.status != http.StatusAccepted {
		t.Errorf("what takes no room: %d %s", got.status, got.body)
	}

	token = f.supplier("clinic-c", supplier.Policy{})
	f.accepted("clinic-c")
	if _, err := f.Store.Pool.Exec(t.Context(), `INSERT INTO stoker.import (id, issued, supplier, dataset, pins, request, state)
		SELECT gen_random_uuid(), issued - n * interval '1 second', supplier, dataset, pins, request, 'paused' FROM stoker.import, generate_series(1, $1) n WHERE supplier = 'clinic-c'`, ledger.MaxOpenImports); err != nil {
		t.Fatal(err)
	}
	for _, request := range []struct{ method, path, body string }{
		{http.MethodPost, "/imports", body}, {http.MethodPut, "/suppliers/clinic-c/files/a.ndjson", "{}"},
	} {
		if got := f.do(request.method, request.path, token, request.body); got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") == "" {
			t.Errorf("%s while as many wait as may: %d, Retry-After %q: %s", request.path, got.status, got.header.Get("Retry-After"), got.body)
		}
	}
	if got := f.do(http.MethodPost, "/imports", "", `{"supplier":"clinic-c",`+body[1:]); got.status != http.StatusAccepted {
		t.Errorf("an operator's, while as many wait as may: %d: %s", got.status, got.body)
	}

	token = f.supplier("clinic-b", supplier.Policy{RequestsPerMinute: 2})
	for i, want := range []int{200, 200, 429} {
		if got := f.do(http.MethodGet, "/imports", token, ""); got.status != want || (want == 429) != (got.header.Get("Retry-After") != "") {
			t.Errorf("request %d: %d, Retry-After %q", i, got.status, got.header.Get("Retry-After"))
		}
	}
}

func TestRates(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	r := newRates(func() time.Time { return now })
	c := caller{supplier: &ledger.Supplier{Supplier: supplier.Supplier{Name: "a", Policy: supplier.Policy{RequestsPerMinute: 3}}}}
	for _, tt := range []struct {
		after time.Duration
		ok    bool
		wait  time.Duration
	}{
		{0, true, 0}, {0, true, 0}, {0, true, 0}, {0, false, 20 * time.Second}, {5 * time.Second, false, 15 * time.Second},
		{15 * time.Second, true, 0}, {0, false, 20 * time.Second}, {time.Hour, true, 0}, {0, true, 0}, {0, true, 0}, {0, false, 20 * time.Second},
	} {
		now = now.Add(tt.after)
		if wait, ok := r.take(c); ok != tt.ok || wait.Round(time.Second) != tt.wait {
			t.Errorf("at %s: %v, wait %s; want %v, %s", now.UTC().Format("15:04:05"), ok, wait, tt.ok, tt.wait)
		}
	}
	if _, ok := r.take(caller{operator: true}); !ok {
		t.Error("an operator is held to a rate")
	}
}

// TestEverybodysAnswerIsPaced: who has no token cannot hold an answer open for ever.
func TestEverybodysAnswerIsPaced(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{TokensOnly: true})
	for _, route := range f.routes() {
		if route.who != everybody || route.handle == nil {
			continue
		}
		paced := false
		f.allow(everybody, func(w http.ResponseWriter, _ *http.Request) { _, paced = w.(*pacedAnswer) })(httptest.NewRecorder(), nil)
		if !paced {
			t.Errorf("%s: the answer is not paced", route.pattern)
		}
	}
}
