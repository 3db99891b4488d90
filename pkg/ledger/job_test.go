package ledger

import (
	"errors"
	"sync"
	"testing"
)

// TestRemovedJobCancels: whenever a job is removed, before its import is accepted, at the same time or after,
// the import does not go on.
func TestRemovedJobCancels(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	for range 20 {
		req := newRequest(t)
		check(t, l.BeginJob(t.Context(), req.ID, req.Supplier))
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, _, err := l.Accept(t.Context(), req, 1, ""); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if err := l.RemoveJob(t.Context(), req.ID, req.Supplier); err != nil {
				t.Error(err)
			}
		})
		wg.Wait()
		if state := l.state(t, req.ID); state != StateCancelled {
			t.Fatalf("the import is %s", state)
		}
		if s, err := l.Status(t.Context(), req.ID); err != nil || s.Seconds < 0 {
			t.Errorf("status: %v seconds, %v", s.Seconds, err)
		}
	}
}

// TestJob: an import has one from its request on, and also where the row of the job was lost.
func TestJob(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	req := newRequest(t)
	if _, err := l.Job(t.Context(), req.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("before the request: %v", err)
	}
	l.mustAccept(t, req)
	job, err := l.Job(t.Context(), req.ID)
	check(t, err)
	if job.Supplier != req.Supplier || job.Removed || job.Asked.IsZero() {
		t.Errorf("of an import without a row: %+v", job)
	}
	check(t, l.BeginJob(t.Context(), req.ID, req.Supplier))
	for range 2 {
		check(t, l.RemoveJob(t.Context(), req.ID, req.Supplier))
		if job, err = l.Job(t.Context(), req.ID); err != nil || !job.Removed {
			t.Errorf("removed: %+v, %v", job, err)
		}
	}
}
