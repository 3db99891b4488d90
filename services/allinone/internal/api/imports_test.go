package api

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stoker-fhir/stoker/pkg/bus"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/supplier"
)

const importOfURL = `{"sources":[{"url":"https://a.example/x"}]}`

// TestRequestsInTheQueue: requests that no fetcher has accepted count, so that one supplier does not fill the queue of all.
func TestRequestsInTheQueue(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{})
	a, b := f.supplier("clinic-a", supplier.Policy{}), f.supplier("clinic-b", supplier.Policy{})
	ask := func(token string, want int) {
		t.Helper()
		got := f.do(http.MethodPost, "/imports", token, importOfURL)
		if got.status != want || (want == http.StatusTooManyRequests) != (got.header.Get("Retry-After") != "") {
			t.Errorf("%d %s, Retry-After %q, want %d", got.status, got.body, got.header.Get("Retry-After"), want)
		}
	}
	for i := range ledger.MaxOpenImports {
		check(t, f.Bus.Publish(t.Context(), fhirmsg.FetchSubject("clinic-a"), fmt.Sprint(i), nil))
	}
	ask(a, http.StatusTooManyRequests)
	if got := f.do(http.MethodPut, "/suppliers/clinic-a/files/x", a, line); got.status != http.StatusTooManyRequests {
		t.Errorf("a file: %d %s", got.status, got.body)
	}
	ask(b, http.StatusAccepted)
	check(t, f.Bus.Purge(t.Context(), fhirmsg.StreamOperator))

	// Of a queue that is half full, each has room for one.
	check(t, f.Bus.Apply(t.Context(), nil, bus.Limits{fhirmsg.StreamOperator: 10_000}))
	ask(a, http.StatusAccepted)
	ask(a, http.StatusAccepted)
	check(t, f.Bus.Publish(t.Context(), fhirmsg.FetchSubject("local"), "large", make([]byte, 5_000)))
	ask(a, http.StatusTooManyRequests)
	ask(b, http.StatusAccepted)
	ask(b, http.StatusTooManyRequests)
}

// TestQueueIsFull: who asks for an import while the queue is full is told so, and may ask again.
func TestQueueIsFull(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{})
	f.queueFor = 200 * time.Millisecond
	id := f.accepted("local")
	check(t, f.Ledger.Pause(t.Context(), id))
	check(t, f.Bus.Apply(t.Context(), nil, bus.Limits{fhirmsg.StreamOperator: 1}))
	ask := func(path, body string) answer {
		return f.do(http.MethodPost, path, "", body, headerKey, path)
	}
	for path, body := range map[string]string{"/imports": importOfURL, "/imports/" + id.String() + "/resume": ""} {
		if got := ask(path, body); got.status != http.StatusServiceUnavailable || !strings.Contains(got.body, "the queue is full") {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	if state, err := f.Ledger.State(t.Context(), id); err != nil || state != ledger.StatePaused {
		t.Errorf("what could not be resumed is %s, %v", state, err)
	}
	// What was uploaded waits for it.
	f.do(http.MethodPut, "/suppliers/local/files/x", "", line).imported(t)
	check(t, f.Bus.Apply(t.Context(), nil, bus.Limits{fhirmsg.StreamOperator: 1 << 20}))
	check(t, f.publishWaiting(t.Context()))
	for path, body := range map[string]string{"/imports": importOfURL, "/imports/" + id.String() + "/resume": ""} {
		ask(path, body).imported(t)
	}
	if f.requests() != 3 {
		t.Errorf("%d requests", f.requests())
	}
}
