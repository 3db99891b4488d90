package pull

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

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
