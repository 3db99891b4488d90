package api

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// maxRequest is the greatest size of an import request in bytes.
const maxRequest = 8 << 20

// Created is the answer to a request for an import.
type Created struct {
	Import fhirmsg.ImportID `json:"import"`
}

// create queues an import request. It is accepted by a fetcher, which may be a moment later.
func (s *Server) create(w http.ResponseWriter, r *http.Request) {
	var req fhirmsg.ImportRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest)).Decode(&req); err != nil {
		fail(w, http.StatusBadRequest, fmt.Errorf("import request: %w", err))
		return
	}
	s.queue(w, r, req)
}

// queue checks a request, publishes it, and answers.
func (s *Server) queue(w http.ResponseWriter, r *http.Request, req fhirmsg.ImportRequest) {
	if req.ID == (fhirmsg.ImportID{}) {
		id, err := fhirmsg.NewImportID(time.Now(), rand.Reader)
		if err != nil {
			fail(w, http.StatusInternalServerError, err)
			return
		}
		req.ID = id
	}
	req = req.WithDefaults()
	if err := req.Check(); err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	if err := s.publish(r, req); err != nil {
		s.Log.Error().Err(err).Msg("cannot queue an import request")
		fail(w, http.StatusServiceUnavailable, fmt.Errorf("the queue cannot be reached; try again"))
		return
	}
	w.Header().Set("Location", "/imports/"+req.ID.String())
	reply(w, http.StatusAccepted, Created{Import: req.ID})
}

func (s *Server) publish(r *http.Request, req fhirmsg.ImportRequest) error {
	msg, err := req.Encode()
	if err != nil {
		return err
	}
	return s.Bus.Publish(r.Context(), fhirmsg.FetchSubject(req.Supplier), req.MessageID(), msg)
}

// listed is how many imports a list shows.
const listed = 50

func (s *Server) list(w http.ResponseWriter, r *http.Request) {
	imports, err := s.Ledger.List(r.Context(), listed)
	if err != nil {
		s.failLedger(w, err)
		return
	}
	reply(w, http.StatusOK, imports)
}

func (s *Server) status(w http.ResponseWriter, r *http.Request) {
	id, ok := importID(w, r)
	if !ok {
		return
	}
	read := s.Ledger.Status
	if r.URL.Query().Get("progress") == "1" {
		read = s.Ledger.Progress
	}
	status, err := read(r.Context(), id)
	if err != nil {
		s.failLedger(w, err)
		return
	}
	s.explain(r.Context(), &status)
	reply(w, http.StatusOK, status)
}

// move changes an import's state and answers with the import as it stands then.
func (s *Server) move(w http.ResponseWriter, r *http.Request, change func(context.Context, fhirmsg.ImportID) error) {
	id, ok := importID(w, r)
	if !ok {
		return
	}
	if err := change(r.Context(), id); err != nil {
		s.failLedger(w, err)
		return
	}
	s.keep(r.Context(), id)
	s.status(w, r)
}

// keepFor is how long an answer waits for a change to be in the journal.
const keepFor = 5 * time.Second

// keep publishes a change of an import in the journal before it is answered, so that a restore of the
// database brings it back. If that fails, a writer does so later.
func (s *Server) keep(ctx context.Context, id fhirmsg.ImportID) {
	ctx, cancel := context.WithTimeout(ctx, keepFor)
	defer cancel()
	if err := s.Journal.Import(ctx, id); err != nil {
		s.Log.Warn().Err(err).Stringer("import", id).Msg("a change of an import is not in the journal yet; a writer publishes it")
	}
}

func (s *Server) cancel(w http.ResponseWriter, r *http.Request) { s.move(w, r, s.Ledger.Cancel) }

func (s *Server) pause(w http.ResponseWriter, r *http.Request) { s.move(w, r, s.Ledger.Pause) }

func (s *Server) resume(w http.ResponseWriter, r *http.Request) {
	id, ok := importID(w, r)
	if !ok {
		return
	}
	req, publish, err := s.Ledger.Resume(r.Context(), id)
	if err == nil {
		s.keep(r.Context(), id)
	}
	if err == nil && publish {
		err = s.publish(r, req)
	}
	if err != nil {
		s.failLedger(w, err)
		return
	}
	reply(w, http.StatusAccepted, Created{Import: id})
}

// retry queues an import that puts the rejects of another one through again.
func (s *Server) retry(w http.ResponseWriter, r *http.Request) {
	id, ok := importID(w, r)
	if !ok {
		return
	}
	req, err := s.Ledger.Retry(r.Context(), id, fhirmsg.Validation(r.URL.Query().Get("validation")))
	if err != nil {
		s.failLedger(w, err)
		return
	}
	s.queue(w, r, req)
}
