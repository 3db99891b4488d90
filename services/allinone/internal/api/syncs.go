package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/supplier"
)

// shownRuns is how many runs of a sync are shown.
const shownRuns = 20

// Sync is a sync with its newest runs. It holds no secret.
type Sync struct {
	ledger.Sync
	Runs []ledger.SyncRun `json:"runs"` // the newest first

	// Outdated are keys of which a newer version was rejected than what the dataset has, and UnknownRejects how many were rejected without
	// it being known what they are. MoreRejects says that there were too many rejects to look at all.
	Outdated       []ledger.RejectedKey `json:"outdated,omitempty"`
	UnknownRejects int64                `json:"unknown_rejects,omitempty"`
	MoreRejects    bool                 `json:"more_rejects,omitempty"`
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

// sync shows a sync; with ?brief=1 without what takes a while to find.
func (s *Server) sync(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("brief") == "1" {
		s.answerSync(w, r, http.StatusOK, r.PathValue("name"))
		return
	}
	declared, runs, err := s.Ledger.Sync(r.Context(), r.PathValue("name"), time.Now(), shownRuns)
	shown := Sync{Sync: declared, Runs: runs}
	if err == nil && len(runs) > 0 {
		err = s.Ledger.NoticeCounts(r.Context(), &shown.Runs[0])
	}
	if err == nil {
		err = s.addOutdated(r.Context(), &shown)
	}
	if err != nil {
		s.failSync(w, err)
		return
	}
	shown.Sync.Sync = declared.WithoutSecrets()
	reply(w, http.StatusOK, shown)
}

func (s *Server) answerSync(w http.ResponseWriter, r *http.Request, status int, name string) {
	declared, runs, err := s.Ledger.Sync(r.Context(), name, time.Now(), shownRuns)
	if err != nil {
		s.failSync(w, err)
		return
	}
	declared.Sync = declared.WithoutSecrets()
	reply(w, status, Sync{Sync: declared, Runs: runs})
}

// maxRejectedKeys is how many rejected keys of a sync are looked at.
const maxRejectedKeys = 5000

// addOutdated finds what is older in the dataset than what the sync's source has.
func (s *Server) addOutdated(ctx context.Context, shown *Sync) error {
	rejected, unknown, err := s.Ledger.RejectedKeys(ctx, shown.Sync, maxRejectedKeys)
	if err != nil {
		return err
	}
	shown.UnknownRejects, shown.MoreRejects = unknown, len(rejected) == maxRejectedKeys
	if len(rejected) == 0 {
		return nil
	}
	keys := fhirmsg.KeysKeep
	declared, err := s.Ledger.Supplier(ctx, shown.Supplier)
	switch {
	case err == nil:
		keys = declared.KeysOrKeep()
	case !errors.Is(err, ledger.ErrNoSupplier):
		return err
	}
	shown.Outdated, err = s.Store.Outdated(ctx, shown.Into, shown.Supplier, keys, rejected)
	return err
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

// runSync begins a run, with ?full=1 one of everything, with ?reconcile=1 one after which what the source lacks is deleted, up to
// ?max_deletes; the scheduler of whichever process sees it first does the rest.
func (s *Server) runSync(w http.ResponseWriter, r *http.Request) {
	name, query := r.PathValue("name"), r.URL.Query()
	var err error
	if query.Get("reconcile") == "1" {
		err = s.Ledger.ReconcileSync(r.Context(), name, query.Get("max_deletes"), time.Now())
	} else {
		err = s.Ledger.RunSync(r.Context(), name, query.Get("full") == "1", time.Now())
	}
	if err != nil {
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
