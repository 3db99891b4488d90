package api

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// confirmSnapshot lets a snapshot that was refused delete up to the limit of the query.
func (s *Server) confirmSnapshot(w http.ResponseWriter, r *http.Request) {
	id, ok := importID(w, r)
	if !ok {
		return
	}
	most := r.URL.Query().Get("max_deletes")
	if _, err := fhirmsg.ParseDeleteLimit(most); err != nil || most == "" {
		fail(w, http.StatusBadRequest, errors.New("max_deletes: must be a number such as 100, a share such as 2.5%, or off"))
		return
	}
	if err := s.Ledger.ConfirmSnapshot(r.Context(), id, most); err != nil {
		s.failLedger(w, err)
		return
	}
	s.keep(r.Context(), id)
	s.moved(w, r, id)
}

// swept answers 410 where an import's rejects were removed, as its supplier's policy says. Ok is that they were not.
func (s *Server) swept(w http.ResponseWriter, r *http.Request, id fhirmsg.ImportID) (ok bool) {
	sweep, err := s.Ledger.Swept(r.Context(), id)
	switch {
	case err != nil:
		s.failLedger(w, err)
		return false
	case sweep != nil:
		fail(w, http.StatusGone, fmt.Errorf("the reports were removed on %s: the supplier's policy keeps them for %d days after the end of an import", sweep.At.UTC().Format("2006-01-02"), sweep.Days))
		return false
	}
	return true
}
