package api

import (
	"fmt"
	"net/http"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// report compares an import with the one before it, or with the one that ?against= names, of the same supplier and dataset.
func (s *Server) report(w http.ResponseWriter, r *http.Request) {
	id, ok := s.ownImport(w, r)
	if !ok {
		return
	}
	var against fhirmsg.ImportID
	if text := r.URL.Query().Get("against"); text != "" {
		var err error
		if against, err = fhirmsg.ParseImportID(text); err != nil {
			fail(w, http.StatusBadRequest, fmt.Errorf("against: %w", err))
			return
		}
	}
	c, err := s.Ledger.Compare(r.Context(), id, against)
	if err != nil {
		s.failLedger(w, err)
		return
	}
	reply(w, http.StatusOK, c)
}
