package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/services/allinone/internal/inbox"
)

// Spooled is the answer to content handed in.
type Spooled struct {
	Spool string `json:"spool"` // the name to use as a source
	Bytes int64  `json:"bytes"`
}

// spool keeps a request's body as a file, whole or not at all, so that it can be read again
// after a crash.
func (s *Server) spool(w http.ResponseWriter, r *http.Request) {
	c, limit := callerOf(r), int64(0)
	if c.isOperator() {
		if err := s.Inbox.Room(0); err != nil { // before a pipe that says nothing is waited for
			w.Header().Set("Connection", "close")
			s.failUpload(w, c.name(), limit, err)
			return
		}
		bodyOf(r).lift() // a pipe may wait for what it comes from
	} else {
		limit = c.supplier.MaxBytes
	}
	name, n, err := s.Inbox.Keep(spoolPrefix(c), r.Body, limit)
	if errors.Is(err, inbox.ErrTooLarge) {
		fail(w, http.StatusRequestEntityTooLarge, fmt.Errorf("more than the %d bytes that supplier %s may hand in (max_bytes of its policy), with what no import names yet: "+
			"name that, or wait until it is removed", limit, c.name()))
		return
	}
	if err != nil {
		s.failUpload(w, c.name(), limit, err)
		return
	}
	reply(w, http.StatusCreated, Spooled{Spool: name, Bytes: n})
}

// spoolPrefix begins the names of what a supplier hands in. No supplier's name has a dot.
func spoolPrefix(c caller) string {
	if c.isOperator() {
		return ""
	}
	return c.name() + "."
}

// dispatch queues a request. One that names what was handed in takes it along. Ok is false when an answer was given.
func (s *Server) dispatch(w http.ResponseWriter, r *http.Request, req fhirmsg.ImportRequest) (ok bool) {
	if !inbox.NamesKept(req) {
		return s.publish(w, r, req)
	}
	d, handed, err := s.Inbox.HandKept(req)
	switch {
	case err == nil:
		s.publishHanded(r, d, handed)
		return true
	case errors.Is(err, inbox.ErrExists):
		return true // the same request again, whose answer was lost
	case errors.Is(err, inbox.ErrTwice):
		fail(w, http.StatusBadRequest, err)
		return false
	case !errors.Is(err, inbox.ErrNotKept):
		s.failUpload(w, req.Supplier, 0, err)
		return false
	}
	switch name, known := s.Ledger.SupplierOf(r.Context(), req.ID); {
	case known == nil && name == req.Supplier:
		return true // the same, and it has been fetched
	case known != nil && !errors.Is(known, ledger.ErrNotFound):
		s.failLedger(w, known) // it may have been
	default:
		fail(w, http.StatusUnprocessableEntity, err)
	}
	return false
}

// tidySpool removes what was handed in and no import named in time.
func (s *Server) tidySpool(ctx context.Context, now time.Time) error {
	files, bytes, err := s.Inbox.TidyKept(now, func() (map[string]bool, error) { return s.Ledger.SpooledInUse(ctx) })
	if files > 0 {
		s.Log.Info().Int("files", files).Int64("bytes", bytes).Msg("content was removed that had been handed in and that no import named in time")
	}
	return err
}
