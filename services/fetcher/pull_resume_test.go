package fetcher

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/fhirservertest"
)

// TestPullIsResumed: a fetcher that dies after any number of pages is followed by one that goes on with the page behind
// them, and nothing is missing or there twice.
func TestPullIsResumed(t *testing.T) {
	t.Parallel()
	const observations = 10
	for _, free := range []int{0, 1, 2, 5, 9} {
		t.Run(fmt.Sprint(free), func(t *testing.T) {
			t.Parallel()
			f, _, _ := exporting(t)
			s := fhirservertest.New(t, fhirservertest.Options{Resources: fhirservertest.Cohort(3, observations, march)})
			req := pullRequest(t, s.URL, fhirmsg.Pull{
				Types: []string{"Patient", "Observation"}, Patients: []string{"0", "1", "2"}, Count: 2, Concurrency: 1, Follow: []string{"Practitioner"},
			})
			req.ChunkSize = fhirmsg.MinChunkSize
			s.Stall(free)
			f.dies(t, req, s, free)
			if err := f.again().fetch(t.Context(), req); err != nil {
				t.Fatal(err)
			}
			var want [][]string
			for p := range 3 {
				list := []string{fmt.Sprintf("Patient/%d", p)}
				for o := range observations {
					list = append(list, fmt.Sprintf("Observation/o%d-%d", p, o))
				}
				want = append(want, list)
			}
			want = append(want, []string{"Practitioner/d0", "Practitioner/d1", "Practitioner/d2"})
			if diff := cmp.Diff(want, f.linesOf(t, 4)); diff != "" {
				t.Errorf("published (-want +got):\n%s", diff)
			}
			if _, got := f.accountAt(t, req.ID, s.URL); got != "0 closed 11\n1 closed 11\n2 closed 11\n(followed) closed 3\n" {
				t.Errorf("stated:\n%s", got)
			}
		})
	}
}

// TestPullIsOvertaken: a fetcher that was stopped while it gathered pages, until another one had read them too and gone on, publishes
// nothing of them, and hands the request back.
func TestPullIsOvertaken(t *testing.T) {
	t.Parallel()
	for _, after := range []int{1, 3, 6, 7} { // requests, of which 6 are for the file of the patient
		t.Run(fmt.Sprint(after), func(t *testing.T) {
			t.Parallel()
			f, c, _ := exporting(t)
			s := fhirservertest.New(t, fhirservertest.Options{Resources: fhirservertest.Cohort(1, 10, march)})
			req := pullRequest(t, s.URL, fhirmsg.Pull{
				Types: []string{"Patient", "Observation"}, Patients: []string{"0"}, Count: 2, Concurrency: 1, Follow: []string{"Practitioner"},
			})
			slow := f.again()
			var others atomic.Bool
			slow.source.Now = func() time.Time {
				if len(s.Asked()) == after && others.CompareAndSwap(false, true) {
					f.again().bring(t, c, req)
					_ = c.pass(t.Context(), heldTime) // so that what was gathered is enough
				}
				return c.Now()
			}
			if wait := slow.step(t, c, req); wait != overtakenDelay {
				t.Errorf("it comes again after %s", wait)
			}
			slow.bring(t, c, req)
			want := [][]string{{"Patient/0"}, {"Practitioner/d0"}}
			for o := range 10 {
				want[0] = append(want[0], fmt.Sprintf("Observation/o0-%d", o))
			}
			if diff := cmp.Diff(want, f.linesOf(t, 2)); diff != "" {
				t.Errorf("published (-want +got):\n%s", diff)
			}
			if _, got := f.accountAt(t, req.ID, s.URL); got != "0 closed 11\n(followed) closed 1\n" {
				t.Errorf("stated:\n%s", got)
			}
		})
	}
}

// TestPullPublishesWhatItKept: what was stored and perhaps published before a fetcher died is published again as it was,
// whatever its server has by now, and is not asked for again.
func TestPullPublishesWhatItKept(t *testing.T) {
	t.Parallel()
	f, _, pool := exporting(t)
	s := fhirservertest.New(t, fhirservertest.Options{Resources: fhirservertest.Cohort(1, 400, march)})
	req := pullRequest(t, s.URL, fhirmsg.Pull{Types: []string{"Observation"}, Patients: []string{"0"}, Count: 300, Concurrency: 1})
	req.ChunkSize = 8 << 10
	s.Stall(1)
	ctx, die := context.WithCancel(t.Context())
	died := make(chan error)
	go func() { died <- f.again().fetch(ctx, req) }()
	waitUntil(t, func() bool { return len(s.Asked()) == 2 })
	die()
	if err := <-died; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	s.Release()
	// Of the first page nothing but its beginning was stated.
	if _, err := pool.Exec(t.Context(), `DELETE FROM stoker.fetched WHERE off > 10000`); err != nil {
		t.Fatal(err)
	}
	s.Set(func(o *fhirservertest.Options) { o.Resources = fhirservertest.Cohort(1, 400, april) })
	if err := f.again().fetch(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	if n := len(s.Asked(fhirservertest.Search)); n != 1 {
		t.Errorf("the first page was asked for %d times", n)
	}
	got := f.linesOf(t, 1)[0]
	if unique := slices.Compact(slices.Clone(got)); len(got) != 400 || len(unique) != 400 {
		t.Errorf("%d lines were published, %d of them once", len(got), len(unique))
	}
	var left int
	if err := pool.QueryRow(t.Context(), `SELECT count(*) FROM stoker.page`).Scan(&left); err != nil || left != 0 {
		t.Errorf("%d pages are left, %v", left, err)
	}
}

// dies fetches from a server that stalls, dies there once it has asked more than free times, and lets the server go on.
func (f *fetcher) dies(t *testing.T, req fhirmsg.ImportRequest, s *fhirservertest.Server, free int) {
	t.Helper()
	ctx, die := context.WithCancel(t.Context())
	died := make(chan error)
	go func() { died <- f.again().fetch(ctx, req) }()
	waitUntil(t, func() bool { return len(s.Asked()) > free })
	die()
	if err := <-died; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	s.Release()
}

func waitUntil(t *testing.T, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatal("waited in vain")
		case <-ticker.C:
		}
	}
}
