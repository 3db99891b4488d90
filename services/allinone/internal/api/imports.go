package api

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
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
	status, err := s.Ledger.Status(r.Context(), id)
	if err != nil {
		s.failLedger(w, err)
		return
	}
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
	s.status(w, r)
}

func (s *Server) cancel(w http.ResponseWriter, r *http.Request) { s.move(w, r, s.Ledger.Cancel) }

func (s *Server) pause(w http.ResponseWriter, r *http.Request) { s.move(w, r, s.Ledger.Pause) }

func (s *Server) resume(w http.ResponseWriter, r *http.Request) {
	id, ok := importID(w, r)
	if !ok {
		return
	}
	req, publish, err := s.Ledger.Resume(r.Context(), id)
	if err == nil && publish {
		err = s.publish(r, req)
	}
	if err != nil {
		s.failLedger(w, err)
		return
	}
	reply(w, http.StatusAccepted, Created{Import: id})
}

// rejects streams what could not be taken.
func (s *Server) rejects(w http.ResponseWriter, r *http.Request) {
	id, ok := importID(w, r)
	if !ok {
		return
	}
	if _, err := s.Ledger.Status(r.Context(), id); err != nil {
		s.failLedger(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/fhir+ndjson")
	out := bufio.NewWriter(w)
	lines := r.URL.Query().Get("lines") == "1"
	err := s.Ledger.Rejects(r.Context(), id, func(row ledger.RejectRow) error {
		line := row.Text()
		if !lines {
			var err error
			if line, err = row.OperationOutcome(); err != nil {
				return err
			}
		}
		if _, err := out.Write(line); err != nil {
			return err
		}
		return out.WriteByte('\n')
	})
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		s.Log.Warn().Err(err).Msg("rejects were not sent to the end")
		panic(http.ErrAbortHandler) //nolint:forbidigo // net/http's way to cut an answer: a list cut short must not look like a whole one
	}
}
