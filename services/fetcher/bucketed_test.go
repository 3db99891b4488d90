package fetcher

import (
	"context"
	"crypto/rand"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/supplier"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/bucket"
)

// newBuckets lets a fetcher read a store with one object in the bucket "deliveries", and declares suppliers of these buckets.
func newBuckets(t *testing.T, f *fetcher, buckets map[string]string) (backend *s3mem.Backend) {
	t.Helper()
	backend = s3mem.New()
	server := httptest.NewServer(gofakes3.New(backend).Server())
	t.Cleanup(server.Close)
	f.cfg.S3.Endpoint = server.URL
	if err := backend.CreateBucket("deliveries"); err != nil {
		t.Fatal(err)
	}
	content := patients(3)
	if _, err := backend.PutObject("deliveries", "clinic/a.ndjson", map[string]string{}, strings.NewReader(content), int64(len(content)), nil); err != nil {
		t.Fatal(err)
	}
	for name, bucket := range buckets {
		if err := f.ledger.AddSupplier(t.Context(), supplier.Supplier{Name: name, Policy: supplier.Policy{Bucket: bucket}}, true); err != nil {
			t.Fatal(err)
		}
	}
	return backend
}

// TestBucketTriedAgain: an import that failed, since its object was not there for instance, is tried again as one that has its place before
// whatever was accepted meanwhile. Its status tells which attempt it is.
func TestBucketTriedAgain(t *testing.T) {
	t.Parallel()
	f, _ := newFetcher(t)
	backend := newBuckets(t, f, map[string]string{"clinic": "s3://deliveries/clinic/"})
	f.source.Sleep = func(context.Context, time.Duration) error { return nil }
	b := bucketed{f}
	run := func(object, key string, at ledger.Place) (fhirmsg.Import, ledger.Status) {
		t.Helper()
		req := fhirmsg.ImportRequest{
			ID: fhirmsg.ImportIDFromKey("clinic", key), Supplier: "clinic", Sources: []fhirmsg.Source{{URL: "s3://deliveries/clinic/" + object}},
		}
		if err := b.Request(t.Context(), req, at); err != nil {
			t.Fatal(err)
		}
		if err := f.fetch(t.Context(), req); err != nil {
			t.Fatal(err)
		}
		if err := f.ledger.Settle(t.Context(), req.ID); err != nil { // a writer's part
			t.Fatal(err)
		}
		imp, _, err := f.ledger.Accept(t.Context(), req, rules, "") // as it was
		if err != nil {
			t.Fatal(err)
		}
		status, err := f.ledger.Status(t.Context(), imp.ID)
		if err != nil {
			t.Fatal(err)
		}
		return imp, status
	}
	first, status := run("late.ndjson", "1", ledger.Place{Attempt: 1})
	if status.State != ledger.StateFailed {
		t.Fatalf("the first attempt is %s", status.State)
	}
	failures, err := b.Failures(t.Context(), []fhirmsg.ImportID{first.ID, {1}}) // the other is none
	if err != nil || len(failures) != 1 || failures[first.ID].Before(status.Issued) {
		t.Errorf("failures: %v, %v", failures, err)
	}
	younger, _ := run("a.ndjson", "younger", ledger.Place{})
	if _, err := backend.PutObject("deliveries", "clinic/late.ndjson", map[string]string{}, strings.NewReader(patients(2)), int64(len(patients(2))), nil); err != nil {
		t.Fatal(err)
	}
	last := first
	for attempt := 2; attempt <= bucket.MaxAttempts; attempt++ {
		imp, status := run("late.ndjson", strconv.Itoa(attempt), ledger.Place{First: first.ID, Attempt: attempt})
		if imp.Issued <= last.Issued || imp.Issued >= younger.Issued || imp.AcceptedAt() <= younger.Issued {
			t.Errorf("attempt %d is issued at %d and accepted at %d; the one before at %d, a younger import at %d", attempt, imp.Issued, imp.AcceptedAt(), last.Issued, younger.Issued)
		}
		if status.State == ledger.StateFailed || status.Lines.Read != 2 || len(status.Notes) != 1 ||
			strings.Contains(status.Notes[0], "not asked for again") != (attempt == bucket.MaxAttempts) {
			t.Errorf("attempt %d: %s, %d lines, %q", attempt, status.State, status.Lines.Read, status.Notes)
		}
		last = imp
	}
}

// TestBucketOfTheSupplier: a declared supplier has what lies under its bucket read, and nothing else; an operator anything.
func TestBucketOfTheSupplier(t *testing.T) {
	t.Parallel()
	f, _ := newFetcher(t)
	newBuckets(t, f, map[string]string{"clinic": "s3://deliveries/clinic/", "other": "s3://deliveries/other/", "without": ""})
	for name, want := range map[string]string{
		"clinic": "", "undeclared": "", "other": "refused by the supplier's policy", "without": "refused by the supplier's policy",
	} {
		id, err := fhirmsg.NewImportID(time.Now(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		req := fhirmsg.ImportRequest{ID: id, Supplier: name, Sources: []fhirmsg.Source{{URL: "s3://deliveries/clinic/"}}}
		if err := f.fetch(t.Context(), req); err != nil {
			t.Fatal(err)
		}
		files, _, err := f.ledger.Files(t.Context(), id)
		if err != nil || len(files) != 1 {
			t.Fatalf("%s: %d files, %v", name, len(files), err)
		}
		if got := files[0]; want == "" && got.State != "closed" || !strings.Contains(got.Reason, want) {
			t.Errorf("%s: %s, %s", name, got.State, got.Reason)
		}
	}
}

// TestRequestOfABucket: a request has its place in the order of all imports before it is published; once it has begun it is not
// asked for again, and one that the policy refuses never is.
func TestRequestOfABucket(t *testing.T) {
	t.Parallel()
	f, _ := newFetcher(t)
	newBuckets(t, f, map[string]string{"clinic": "s3://deliveries/clinic/"})
	b := bucketed{f}
	request := func(key string) fhirmsg.ImportID {
		t.Helper()
		id := fhirmsg.ImportIDFromKey("clinic", key)
		req := fhirmsg.ImportRequest{ID: id, Supplier: "clinic", Sources: []fhirmsg.Source{{URL: "s3://deliveries/clinic/a.ndjson"}}}
		if err := b.Request(t.Context(), req, ledger.Place{}); err != nil {
			t.Fatal(err)
		}
		return id
	}
	published := func() uint64 {
		t.Helper()
		n, err := f.deps.Bus.LastSequence(t.Context(), fhirmsg.StreamOperator)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	first, second := request("1"), request("2")
	request("1")
	if n := published(); n != 2 {
		t.Errorf("%d requests were published, want 2", n)
	}
	a, errA := f.ledger.Status(t.Context(), first)
	z, errZ := f.ledger.Status(t.Context(), second)
	if errA != nil || errZ != nil || !a.Issued.Before(z.Issued) || a.Dataset != "clinic" {
		t.Errorf("accepted at %s and %s, %v, %v", a.Issued, z.Issued, errA, errZ)
	}
	if n, err := b.OpenImports(t.Context(), "clinic"); n != 2 || err != nil {
		t.Errorf("%d are open, %v", n, err)
	}
	if err := f.ledger.Cancel(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	states, err := b.States(t.Context(), []fhirmsg.ImportID{first, second, {1}})
	if err != nil || len(states) != 2 || states[first] != ledger.StateAccepted || states[second] != ledger.StateCancelled {
		t.Errorf("states: %v, %v", states, err)
	}
	if err := f.ledger.RemoveSupplier(t.Context(), "clinic"); err != nil {
		t.Fatal(err)
	}
	request("2")
	request("3")
	if n := published(); n != 2 {
		t.Errorf("%d requests were published, want still 2", n)
	}
}
