package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/supplier"
)

// TestSumsWaitTheirTurn: however many ask for a large import, they take few connections, and all are answered. What takes too long says so.
func TestSumsWaitTheirTurn(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{})
	token := f.supplier("clinic-a", supplier.Policy{})
	id := f.accepted("clinic-a").String()
	large, err := f.Operator.Pool.Begin(t.Context())
	check(t, err)
	defer func() { _ = large.Rollback(context.WithoutCancel(t.Context())) }()
	_, err = large.Exec(t.Context(), `LOCK TABLE stoker.written IN ACCESS EXCLUSIVE MODE`) // as one that takes long to add up
	check(t, err)
	paths := []string{"/imports", "/imports/" + id, "/imports/" + id + "?progress=1", statusPath + id}
	const each = 4
	answers := make(chan answer, each*len(paths))
	for _, path := range paths {
		for range each {
			go func() { answers <- f.do(http.MethodGet, path, token, "") }()
		}
	}
	waiting := func() (n int) {
		t.Helper()
		check(t, large.QueryRow(t.Context(), `SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'stoker.written'::regclass`).Scan(&n))
		return n
	}
	for deadline := time.Now().Add(20 * time.Second); waiting() < sumsAtOnce; {
		if time.Now().After(deadline) {
			t.Fatal("nobody adds up")
		}
	}
	other := make(chan answer, 1)
	go func() { other <- f.do(http.MethodGet, "/imports/"+id+"/rejects", token, "") }()
	select {
	case got := <-other:
		if got.status != http.StatusOK {
			t.Errorf("rejects: %d %s", got.status, got.body)
		}
	case <-time.After(20 * time.Second):
		t.Error("others are not answered meanwhile")
	}
	if n := waiting(); n > sumsAtOnce {
		t.Errorf("%d add up at once, want at most %d", n, sumsAtOnce)
	}
	check(t, large.Rollback(t.Context()))
	for range cap(answers) {
		if got := <-answers; got.status != http.StatusOK && got.status != http.StatusAccepted {
			t.Errorf("afterwards: %d %s", got.status, got.body)
		}
	}
	// Who went away meanwhile waits for nothing.
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for range sumsAtOnce {
		f.summing <- struct{}{}
	}
	if _, err := f.progress(gone, f.accepted("clinic-a")); !errors.Is(err, context.Canceled) || errors.Is(err, errSums) {
		t.Errorf("without a client: %v", err)
	}
}

// TestSumsTakeTooLong: an account that takes too long to add up is given up, and a change of the import is answered without it.
func TestSumsTakeTooLong(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{})
	f.sumsFor = 100 * time.Millisecond
	id := f.accepted("local")
	tx, err := f.Operator.Pool.Begin(t.Context())
	check(t, err)
	defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
	_, err = tx.Exec(t.Context(), `LOCK TABLE stoker.written IN ACCESS EXCLUSIVE MODE`)
	check(t, err)
	if got := f.do(http.MethodGet, "/imports/"+id.String(), "", ""); got.status != http.StatusServiceUnavailable || !strings.Contains(got.body, "adding up took more than") {
		t.Errorf("the account: %d %s", got.status, got.body)
	}
	for range 2 { // the answer is kept
		got := f.do(http.MethodPost, "/imports/"+id.String()+"/pause", "", "", headerKey, "k")
		if got.status != http.StatusAccepted || !strings.Contains(got.body, id.String()) {
			t.Errorf("the change: %d %s", got.status, got.body)
		}
	}
	if state, err := f.Ledger.State(t.Context(), id); err != nil || state != ledger.StatePaused {
		t.Errorf("it is %s, %v", state, err)
	}
}
