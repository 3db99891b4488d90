package api

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/services/writer"
)

// discard undoes an import, or the file of it that is named; ?rehearse=1 tells what it would do.
func (s *Server) discard(w http.ResponseWriter, r *http.Request) {
	id, ok := importID(w, r)
	if !ok {
		return
	}
	query := r.URL.Query()
	d, err := writer.Discard(r.Context(), s.Store.Pool, id, query.Get("file"), query.Get("rehearse") == "1")
	if err != nil {
		s.failLedger(w, err)
		return
	}
	s.keep(r.Context(), id)
	reply(w, http.StatusOK, d)
}

// History is whether a dataset keeps every version.
type History struct {
	History bool `json:"history"`
	Changed bool `json:"changed,omitempty"` // of an answer: it was not so before
}

// setHistory turns a dataset's history on or off.
func (s *Server) setHistory(w http.ResponseWriter, r *http.Request) {
	dataset := r.PathValue("dataset")
	if err := fhirmsg.CheckDataset(dataset); err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	var h History
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest)).Decode(&h); err != nil {
		fail(w, http.StatusBadRequest, fmt.Errorf("history: %w", err))
		return
	}
	var err error
	if h.Changed, err = s.Operator.SetHistory(r.Context(), dataset, h.History); err != nil {
		s.failLedger(w, err)
		return
	}
	reply(w, http.StatusOK, h)
}
