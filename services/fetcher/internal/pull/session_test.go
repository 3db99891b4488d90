package pull

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/stoker-fhir/stoker/pkg/fhirservertest"
	"github.com/stoker-fhir/stoker/pkg/outbound"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/source"
)

var march = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

func open(t *testing.T, s *fhirservertest.Server, p source.Pull, cfg source.Config, files ...source.Pull) *Session {
	t.Helper()
	session, err := Open(t.Context(), source.Locator{URL: s.URL, Pull: &p}, cfg, files)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(session.Close)
	return session
}

// TestPolicyOfLinks: a supplier's server may lead to where its policy allows, and nowhere else.
func TestPolicyOfLinks(t *testing.T) {
	t.Parallel()
	s := fhirservertest.New(t, fhirservertest.Options{Resources: fhirservertest.Cohort(1, 5, march), MaxPage: 2})
	other := fhirservertest.New(t, fhirservertest.Options{})
	s.Set(func(o *fhirservertest.Options) { o.Elsewhere = other.URL[:len(other.URL)-len("/fhir")] })
	for _, tt := range []struct {
		prefixes []string
		refused  bool
	}{{[]string{s.URL + "/"}, true}, {[]string{s.URL + "/", other.URL}, false}} {
		cfg := source.Config{Policy: &outbound.Policy{Prefixes: tt.prefixes, InternalHosts: []string{"127.0.0.1"}}}
		session := open(t, s, source.Pull{}, cfg, source.Pull{Queries: []string{"Observation?patient=0"}})
		page, place, err := session.Next(t.Context(), 0, Place{}, nil)
		if err != nil || len(page.Lines) == 0 {
			t.Fatal(err)
		}
		_, _, err = session.Next(t.Context(), 0, place, nil)
		if refusal := (*outbound.Refusal)(nil); errors.As(err, &refusal) != tt.refused || err == nil {
			t.Errorf("%v: %v", tt.prefixes, err)
		}
	}
	if n := len(other.Asked()); n != 1 {
		t.Errorf("the other server was asked %d times, want once, where it is allowed", n)
	}
}

// TestReadAhead: as many requests at once as may be, and what is read ahead is not asked for again.
func TestReadAhead(t *testing.T) {
	t.Parallel()
	const patients, atOnce = 6, 3
	s := fhirservertest.New(t, fhirservertest.Options{Resources: fhirservertest.Cohort(patients, 1, march)})
	var files []source.Pull
	for i := range patients {
		files = append(files, source.Pull{Queries: []string{fmt.Sprintf("Patient?_id=%d", i), fmt.Sprintf("Observation?patient=%d", i)}})
	}
	session := open(t, s, source.Pull{Concurrency: atOnce}, source.Config{}, files...)
	s.Stall(0)
	first := make(chan error)
	go func() {
		_, _, err := session.Next(t.Context(), 0, Place{}, nil)
		first <- err
	}()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for s.AtOnce() < atOnce {
		<-ticker.C // the test ends with its own deadline
	}
	s.Release()
	if err := <-first; err != nil {
		t.Fatal(err)
	}
	for i := range files {
		place := Place{}
		if i == 0 {
			place = Place{Query: 1}
		}
		for !place.Done {
			var err error
			if _, place, err = session.Next(t.Context(), i, place, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n, most := len(s.Asked()), s.AtOnce(); n != 2*patients || most != atOnce {
		t.Errorf("%d requests, %d at once", n, most)
	}
}

// TestReadAheadIsBounded: what is read ahead is held back where there is no room, and gives its room back.
func TestReadAheadIsBounded(t *testing.T) {
	t.Parallel()
	const patients = 6
	s := fhirservertest.New(t, fhirservertest.Options{Resources: fhirservertest.Cohort(patients, 1, march)})
	var files []source.Pull
	for i := range patients {
		files = append(files, source.Pull{Queries: []string{fmt.Sprintf("Patient?_id=%d", i)}})
	}
	for _, read := range []int{1, patients} { // the others are forgotten
		const room = source.MaxAnswer + source.MaxAnswer/2
		session := open(t, s, source.Pull{Concurrency: 5}, source.Config{}, files...)
		session.room = semaphore.NewWeighted(room)
		for i := range read {
			if _, _, err := session.Next(t.Context(), i, Place{}, nil); err != nil {
				t.Fatal(err)
			}
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		_, _, _ = session.Next(ended, read%patients, Place{}, nil) // also of one that is given up
		session.Close()
		if !session.room.TryAcquire(room) {
			t.Errorf("room is lost after %d of %d", read, patients)
		}
	}
	session := open(t, s, source.Pull{Concurrency: 5}, source.Config{}, files...)
	session.room = semaphore.NewWeighted(source.MaxAnswer - 1)
	before := len(s.Asked())
	if _, _, err := session.Next(t.Context(), 0, Place{}, nil); err != nil {
		t.Fatal(err)
	}
	if n := len(s.Asked()) - before; n != 1 || len(session.pending) > 0 {
		t.Errorf("%d requests without room", n)
	}
}

// TestPace: requests are apart, however many there are at once.
func TestPace(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	now, slept := march, []time.Duration(nil)
	p := newPace(4, source.Config{Now: func() time.Time { return now }, Sleep: func(_ context.Context, d time.Duration) error {
		mu.Lock()
		defer mu.Unlock()
		slept = append(slept, d)
		return nil
	}})
	for range 3 {
		if err := p.wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	now = now.Add(time.Minute)
	if err := p.wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(slept); got != "[250ms 500ms]" {
		t.Errorf("waited for %s", got)
	}
}
