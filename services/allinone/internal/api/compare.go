package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// report compares an import with the one before it, or with the one that ?against= names, of the same supplier and dataset. It makes
// one at a time: each may hold a connection to PostgreSQL for a minute, and there are few for all.
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
	select {
	case s.reporting <- struct{}{}:
	default:
		tooMany(w, reportRetry, "another report is being made")
		return
	}
	c, err := s.Ledger.Compare(r.Context(), id, against)
	<-s.reporting // whoever takes the answer may take its time
	if err != nil {
		s.failReport(w, err)
		return
	}
	reply(w, http.StatusOK, c)
}

// reportRetry is after how many seconds to ask again for a report while another one is made.
const reportRetry = 5

// failReport answers with why there is no report.
func (s *Server) failReport(w http.ResponseWriter, err error) {
	if errors.Is(err, context.DeadlineExceeded) {
		s.Log.Warn().Err(err).Msg("no report")
		fail(w, http.StatusServiceUnavailable, errors.New("the report took more than a minute; try again when less is being imported"))
		return
	}
	s.failLedger(w, err)
}
