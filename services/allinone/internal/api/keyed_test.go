package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/supplier"
)

// forgetsKeys is what seven days do, or the end of a process before it kept an answer.
func (f *fixture) forgetsKeys() {
	f.t.Helper()
	_, err := f.Operator.Pool.Exec(f.t.Context(), `DELETE FROM stoker.request`)
	check(f.t, err)
}

// TestIdempotencyKey: a request has one effect however often it is sent, and the same answer.
func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{})
	a, b := f.supplier("clinic-a", supplier.Policy{}), f.supplier("clinic-b", supplier.Policy{})
	const body = `{"sources":[{"url":"https://a.example/x"}]}`
	ask := func(token, key, body string) answer {
		return f.do(http.MethodPost, "/imports", token, body, headerKey, key)
	}
	first := ask(a, "k", body)
	id := first.imported(t)
	if f.requests() != 1 {
		t.Errorf("%d requests", f.requests())
	}
	again := ask(a, "k", body)
	if again.imported(t) != id || again.header.Get("Location") != first.header.Get("Location") || again.header.Get("Idempotency-Replayed") == "" || f.requests() != 1 {
		t.Errorf("again: %+v, %d requests", again, f.requests())
	}
	if got := ask(a, "k", body+" "); got.status != http.StatusUnprocessableEntity {
		t.Errorf("the key of another request: %d: %s", got.status, got.body)
	}
	if ask(b, "k", body).imported(t) == id || ask("", "k", body).imported(t) == id || ask(a, "l", body).imported(t) == id {
		t.Error("another supplier's key, an operator's and another key are other imports")
	}
	// Where the answer was lost with the process, the import is the same.
	f.forgetsKeys()
	if got := ask(a, "k", body).imported(t); got != id || f.requests() != 4 {
		t.Errorf("after its answer was lost: %s, want %s; %d requests", got, id, f.requests())
	}
	// And where the key was forgotten, another request is another import.
	f.forgetsKeys()
	if got := ask(a, "k", body+" ").imported(t); got == id || f.requests() != 5 {
		t.Errorf("another request, later: %s, %d requests", got, f.requests())
	}
	for _, key := range []string{strings.Repeat("k", maxKey+1), "\xff", "ü", "a\tb"} {
		if got := ask(a, key, body); got.status != http.StatusBadRequest || !strings.Contains(got.body, headerKey) {
			t.Errorf("key %.5q: %d %s", key, got.status, got.body)
		}
	}
	ask(a, " a ~", body).imported(t)
	// What is refused is refused again; what may pass later is asked anew.
	if one, two := ask(a, "r", `{}`), ask(a, "r", `{}`); one.status != http.StatusBadRequest || one.body != two.body {
		t.Errorf("refused: %+v, then %+v", one, two)
	}
	// The same for whatever else is posted.
	path := "/imports/" + f.accepted("clinic-a").String() + "/cancel"
	one, two := f.do(http.MethodPost, path, a, "", headerKey, "c"), f.do(http.MethodPost, path, a, "", headerKey, "c")
	if one.status != http.StatusOK || two.status != http.StatusOK || one.body != two.body {
		t.Errorf("cancelled: %d %s, then %d %s", one.status, one.body, two.status, two.body)
	}
	if got := f.do(http.MethodPost, path, a, ""); got.status != http.StatusConflict {
		t.Errorf("cancelled again without a key: %d: %s", got.status, got.body)
	}
}

// TestIdempotencyKeyAtOnce: of requests with one key at the same time, one has its effect.
func TestIdempotencyKeyAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{})
	token := f.supplier("clinic-a", supplier.Policy{})
	answers := make([]answer, 8)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() {
			answers[i] = f.do(http.MethodPost, "/imports", token, `{"sources":[{"url":"https://a.example/x"}]}`, headerKey, "k")
		})
	}
	wg.Wait()
	accepted, imports := 0, map[fhirmsg.ImportID]bool{}
	for _, a := range answers {
		switch a.status {
		case http.StatusAccepted:
			accepted++
			imports[a.imported(t)] = true
		case http.StatusConflict:
			if a.header.Get("Retry-After") == "" {
				t.Error("409 does not say when to try again")
			}
		default:
			t.Errorf("%d: %s", a.status, a.body)
		}
	}
	if accepted == 0 || len(imports) != 1 || f.requests() != 1 {
		t.Errorf("%d accepted as %d imports, %d requests queued, want one", accepted, len(imports), f.requests())
	}
}

// TestKeptAnswersAreSmall: what is answered to a change of an import with many files lists none, since it is kept for days.
func TestKeptAnswersAreSmall(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{})
	token := f.supplier("clinic-a", supplier.Policy{})
	id := f.accepted("clinic-a")
	files, skipped := make([]ledger.File, 3000), make([]ledger.SkippedFile, 3000)
	for i := range files {
		name := fmt.Sprintf("https://a.example/export/Patient-%d.ndjson", i)
		files[i], skipped[i] = ledger.File{Index: int32(i), Name: name, State: "waiting", Size: -1, Locator: json.RawMessage("null")}, ledger.SkippedFile{Name: name, Reason: "x"}
	}
	check(t, f.Ledger.PinFiles(t.Context(), id, files, skipped))
	_, err := f.Ledger.BeginFetch(t.Context(), id)
	check(t, err)
	path := "/imports/" + id.String()
	first, again := f.do(http.MethodPost, path+"/pause", token, "", headerKey, "p"), f.do(http.MethodPost, path+"/pause", token, "", headerKey, "p")
	var s ledger.Status
	if err := json.Unmarshal([]byte(first.body), &s); err != nil || first.status != http.StatusOK || s.State != ledger.StatePaused || len(first.body) > 64<<10 {
		t.Errorf("%d, state %s, %d bytes (%v)", first.status, s.State, len(first.body), err)
	}
	if again.status != first.status || again.body != first.body {
		t.Errorf("again: %d, %d bytes", again.status, len(again.body))
	}
	if err := json.Unmarshal([]byte(f.do(http.MethodGet, path, token, "").body), &s); err != nil || len(s.Files) != len(files) || len(s.Skipped) != len(skipped) {
		t.Errorf("the account has %d files and %d that were skipped (%v)", len(s.Files), len(s.Skipped), err)
	}
}
