package api

import (
	"errors"
	"io"
	"net/http"
	"slices"

	"github.com/nats-io/nats.go"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/s3"
)

// BucketEvents is the answer to events of an object store.
type BucketEvents struct {
	Events  int `json:"events"`  // whose objects are looked at
	Ignored int `json:"ignored"` // of objects that lie under no prefix of the caller's, or of something else than a new object
}

// bucketEvents passes events on to the fetchers, who look at what they name. A supplier's are about its own
// bucket. They are passed on without a receipt: what is lost is found by the next sweep.
func (s *Server) bucketEvents(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s3.MaxEvents))
	if err != nil {
		failBody(w, err)
		return
	}
	events, ignored, err := s3.ParseEvents(body)
	if err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	prefixes, err := s.prefixes(r)
	if err != nil {
		s.failLedger(w, err)
		return
	}
	all := len(events)
	events = slices.DeleteFunc(events, func(e s3.Event) bool {
		return !slices.ContainsFunc(prefixes, func(p s3.Location) bool {
			return slices.ContainsFunc(e.Candidates(), func(key string) bool { return p.Covers(e.Bucket, key) })
		})
	})
	if len(events) > 0 {
		if err := s.notify(events); err != nil {
			s.Log.Error().Err(err).Msg("cannot pass on events of a bucket")
			fail(w, http.StatusServiceUnavailable, errors.New("the queue cannot be reached; try again"))
			return
		}
	}
	reply(w, http.StatusAccepted, BucketEvents{Events: len(events), Ignored: ignored + all - len(events)})
}

// prefixes are those that the caller may send events of: a supplier's own, and an operator all.
func (s *Server) prefixes(r *http.Request) (prefixes []s3.Location, err error) {
	var suppliers []ledger.Supplier
	if c := callerOf(r); c.isOperator() {
		suppliers, err = s.Ledger.Suppliers(r.Context())
	} else {
		suppliers = []ledger.Supplier{*c.supplier}
	}
	for _, one := range suppliers {
		if p, err := s3.ParsePrefix(one.Bucket); err == nil && one.Removed == nil { // "" is none
			prefixes = append(prefixes, p)
		}
	}
	return prefixes, err
}

// notify passes events on, in several messages where one would be too large: written anew they may take more room than
// they came in, and the queue's own limit may be lower than theirs.
func (s *Server) notify(events []s3.Event) error {
	msg, err := s3.EncodeEvents(events)
	if err != nil {
		return err
	}
	if len(msg) <= s3.MaxEvents {
		err = s.Bus.Notify(fhirmsg.SubjectBucket, msg)
	}
	if half := len(events) / 2; half > 0 && (len(msg) > s3.MaxEvents || errors.Is(err, nats.ErrMaxPayload)) {
		return errors.Join(s.notify(events[:half]), s.notify(events[half:]))
	}
	return err
}
