package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/services/writer/operate"
)

// replay begins a replay and answers with it.
func (s *Server) replay(w http.ResponseWriter, r *http.Request) {
	var req operate.ReplayRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest)).Decode(&req); err != nil {
		fail(w, http.StatusBadRequest, fmt.Errorf("replay request: %w", err))
		return
	}
	replay, err := s.Operator.Replay(r.Context(), req)
	if err != nil {
		s.failOperator(w, err)
		return
	}
	w.Header().Set("Location", "/replays/"+replay.ID.String())
	reply(w, http.StatusAccepted, replay)
}

// restore brings back what a restored database lacks, and answers with the replays that it began.
func (s *Server) restore(w http.ResponseWriter, r *http.Request) {
	var req operate.RestoreRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest)).Decode(&req); err != nil || req.Since.IsZero() {
		fail(w, http.StatusBadRequest, errors.New("restore request: want since, a time such as 2026-05-01T00:00:00Z"))
		return
	}
	restored, err := s.Operator.Restore(r.Context(), req)
	if err != nil {
		s.failOperator(w, err)
		return
	}
	reply(w, http.StatusAccepted, restored)
}

func (s *Server) replays(w http.ResponseWriter, r *http.Request) {
	list, err := s.Ledger.Replays(r.Context(), listed)
	if err != nil {
		s.failOperator(w, err)
		return
	}
	reply(w, http.StatusOK, list)
}

func (s *Server) replayStatus(w http.ResponseWriter, r *http.Request) {
	id, ok := importID(w, r)
	if !ok {
		return
	}
	replay, err := s.Ledger.Replay(r.Context(), id)
	if err != nil {
		s.failOperator(w, err)
		return
	}
	reply(w, http.StatusOK, replay)
}

func (s *Server) cancelReplay(w http.ResponseWriter, r *http.Request) {
	id, ok := importID(w, r)
	if !ok {
		return
	}
	if err := s.Ledger.CancelReplay(r.Context(), id); err != nil {
		s.failOperator(w, err)
		return
	}
	s.replayStatus(w, r)
}

func (s *Server) datasets(w http.ResponseWriter, r *http.Request) {
	list, err := s.Operator.Datasets(r.Context())
	if err != nil {
		s.failOperator(w, err)
		return
	}
	reply(w, http.StatusOK, list)
}

func (s *Server) swap(w http.ResponseWriter, r *http.Request) {
	swapped, err := s.Operator.Swap(r.Context(), r.PathValue("dataset"), r.URL.Query().Get("with"))
	if err != nil {
		s.failOperator(w, err)
		return
	}
	reply(w, http.StatusOK, swapped)
}

func (s *Server) drop(w http.ResponseWriter, r *http.Request) {
	if err := s.Operator.Drop(r.Context(), r.PathValue("dataset")); err != nil {
		s.failOperator(w, err)
		return
	}
	reply(w, http.StatusOK, struct{}{})
}

func (s *Server) streams(w http.ResponseWriter, r *http.Request) {
	streams, err := s.Operator.Streams(r.Context())
	if err != nil {
		s.failOperator(w, err)
		return
	}
	reply(w, http.StatusOK, streams)
}

// failOperator answers with what an error of the operator means.
func (s *Server) failOperator(w http.ResponseWriter, err error) {
	switch {
	case errors.Is(err, operate.ErrRequest):
		fail(w, http.StatusBadRequest, err)
	case errors.Is(err, ledger.ErrNoReplay), errors.Is(err, ledger.ErrNoDataset):
		fail(w, http.StatusNotFound, err)
	case errors.Is(err, operate.ErrRefused):
		fail(w, http.StatusConflict, err)
	default:
		s.failLedger(w, err)
	}
}
