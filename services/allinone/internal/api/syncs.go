package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/supplier"
)

// shownRuns is how many runs of a sync are shown.
const shownRuns = 20

// Sync is a sync with its newest runs. It holds no secret.
type Sync struct {
	ledger.Sync
	Runs []ledger.SyncRun `json:"runs"` // the newest first
}

func (s *Server) syncs(w http.ResponseWriter, r *http.Request) {
	list, err := s.Ledger.Syncs(r.Context(), time.Now())
	if err != nil {
		s.failSync(w, err)
		return
	}
	for i := range list {
		list[i].Sync = list[i].WithoutSecrets()
	}
	reply(w, http.StatusOK, list)
}

func (s *Server) sync(w http.ResponseWriter, r *http.Request) {
	s.answerSync(w, r, http.StatusOK, r.PathValue("name"))
}

func (s *Server) answerSync(w http.ResponseWriter, r *http.Request, status int, name string) {
	declared, runs, err := s.Ledger.Sync(r.Context(), name, time.Now(), shownRuns)
	if err != nil {
		s.failSync(w, err)
		return
	}
	declared.Sync = declared.WithoutSecrets()
	reply(w, status, Sync{declared, runs})
}

// addSync declares a sync; ?replace=1 also one that is there.
func (s *Server) addSync(w http.ResponseWriter, r *http.Request) {
	var declared supplier.Sync
	in := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest))
	in.DisallowUnknownFields()
	if err := in.Decode(&declared); err != nil {
		fail(w, http.StatusBadRequest, fmt.Errorf("sync: %w", err))
		return
	}
	if err := s.Ledger.AddSync(r.Context(), declared, r.URL.Query().Get("replace") == "1", time.Now()); err != nil {
		s.failSync(w, err)
		return
	}
	w.Header().Set("Location", "/syncs/"+declared.Name)
	s.answerSync(w, r, http.StatusCreated, declared.Name)
}

func (s *Server) removeSync(w http.ResponseWriter, r *http.Request) {
	if err := s.Ledger.RemoveSync(r.Context(), r.PathValue("name")); err != nil {
		s.failSync(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// runSync begins a run; the scheduler of whichever process sees it first does the rest.
func (s *Server) runSync(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	if err := s.Ledger.RunSync(r.Context(), name, r.URL.Query().Get("full") == "1", time.Now()); err != nil {
		s.failSync(w, err)
		return
	}
	s.answerSync(w, r, http.StatusAccepted, name)
}

func (s *Server) pauseSync(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	if err := s.Ledger.PauseSync(r.Context(), name); err != nil {
		s.failSync(w, err)
		return
	}
	s.answerSync(w, r, http.StatusOK, name)
}

func (s *Server) resumeSync(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	if err := s.Ledger.ResumeSync(r.Context(), name, time.Now()); err != nil {
		s.failSync(w, err)
		return
	}
	s.answerSync(w, r, http.StatusOK, name)
}

// failSync answers with what an error about a sync means.
func (s *Server) failSync(w http.ResponseWriter, err error) {
	switch {
	case errors.Is(err, ledger.ErrNoSync):
		fail(w, http.StatusNotFound, err)
	case errors.Is(err, ledger.ErrSync):
		fail(w, http.StatusUnprocessableEntity, err)
	case errors.Is(err, ledger.ErrSyncState):
		fail(w, http.StatusConflict, err)
	default:
		s.failLedger(w, err)
	}
}
