package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/stoker-fhir/stoker/pkg/fhirdef"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/lifecycle"
)

func resourceTypes() []string { return fhirdef.ResourceTypes(fhirmsg.FHIRVersionR4) }

// pressure answers with what holds the pipeline back.
func (s *Server) pressure(w http.ResponseWriter, r *http.Request) {
	p, err := s.Bus.Pressure(r.Context(), resourceTypes())
	if err != nil {
		s.failQueue(w, err)
		return
	}
	reply(w, http.StatusOK, p)
}

// pauseType stops the writers of a type: POST /types/Observation/pause?for=2h.
func (s *Server) pauseType(w http.ResponseWriter, r *http.Request) {
	var period time.Duration
	if text := r.URL.Query().Get("for"); text != "" {
		var err error
		if period, err = time.ParseDuration(text); err != nil || period < 0 {
			fail(w, http.StatusBadRequest, fmt.Errorf("for: want a duration such as 2h30m"))
			return
		}
	}
	s.changeType(w, r, func(ctx context.Context, resourceType string) error {
		return s.Bus.PauseType(ctx, resourceType, period)
	})
}

func (s *Server) resumeType(w http.ResponseWriter, r *http.Request) {
	s.changeType(w, r, s.Bus.ResumeType)
}

// settleFor is how long a queue may take that is just being set up, or started again: less than a request with a key may take.
const settleFor = 30 * time.Second

func (s *Server) changeType(w http.ResponseWriter, r *http.Request, change func(context.Context, string) error) {
	resourceType := r.PathValue("type")
	if !slices.Contains(resourceTypes(), resourceType) {
		fail(w, http.StatusBadRequest, fmt.Errorf("%q is no resource type of FHIR R4; want one such as Observation", resourceType))
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), settleFor)
	defer cancel()
	err := lifecycle.Retry(ctx, s.Log, "change a type", func(ctx context.Context) error {
		// The consumers are there once any service ran; a new installation has none yet.
		if err := s.Bus.Apply(ctx, resourceTypes(), nil); err != nil {
			return err
		}
		return change(ctx, resourceType)
	})
	if err != nil {
		s.failQueue(w, err)
		return
	}
	s.pressure(w, r)
}

func (s *Server) failQueue(w http.ResponseWriter, err error) {
	s.Log.Error().Err(err).Msg("cannot answer")
	fail(w, http.StatusServiceUnavailable, fmt.Errorf("the queue cannot be reached at the moment; see the log"))
}

// explain adds to what an import waits for why that is: what is full, and what is paused. An import
// that was read to its end has no fetcher any more that would say that it waits.
func (s *Server) explain(ctx context.Context, status *ledger.Status) {
	draining := status.State == ledger.StateDraining && status.Missing > 0
	if status.Waiting == nil && !draining {
		return
	}
	p, err := s.Bus.Pressure(ctx, resourceTypes())
	if err != nil {
		return // the account is what was asked for
	}
	var causes []string
	for _, t := range p.Paused {
		if t.Waiting > 0 {
			causes = append(causes, t.Type+" is paused")
		}
	}
	if draining && len(causes) == 0 {
		return
	}
	if status.Waiting == nil {
		status.Waiting = &ledger.Waiting{For: "what is left is in the queue"}
	}
	for _, name := range p.Full {
		causes = append(causes, "the queue "+name+" is full")
	}
	if len(causes) > 0 {
		status.Waiting.For += ": " + strings.Join(causes, ", ")
	}
}
