package api

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"net/http"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// rejects streams what could not be taken: why, or with lines=1 as it came.
func (s *Server) rejects(w http.ResponseWriter, r *http.Request) {
	form := ledger.RejectRow.OperationOutcome
	if r.URL.Query().Get("lines") == "1" {
		form = func(row ledger.RejectRow) ([]byte, error) { return row.Text(), nil }
	}
	read := s.Ledger.Rejects
	if r.URL.Query().Get("open") == "1" {
		read = s.Ledger.OpenRejects
	}
	s.stream(w, r, read, form)
}

// issues streams the issues of what could not be taken, and of what was stored all the same.
func (s *Server) issues(w http.ResponseWriter, r *http.Request) {
	s.stream(w, r, s.Ledger.Reported, ledger.RejectRow.OperationOutcome)
}

// stream writes rows of an import, one a line.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, read rowReader, form func(ledger.RejectRow) ([]byte, error)) {
	id, ok := s.ownImport(w, r)
	if !ok {
		return
	}
	if !s.swept(w, r, id) {
		return
	}
	s.sendRows(w, r, id, read, form)
}

// rowReader yields rows of an import.
type rowReader func(context.Context, fhirmsg.ImportID, func(ledger.RejectRow) error) error

func (s *Server) sendRows(w http.ResponseWriter, r *http.Request, id fhirmsg.ImportID, read rowReader, form func(ledger.RejectRow) ([]byte, error)) {
	s.send(w, func(line func([]byte) error) error {
		err := read(r.Context(), id, func(row ledger.RejectRow) error {
			b, err := form(row)
			if err != nil {
				return err
			}
			return line(b)
		})
		return cmp.Or(err, s.stillThere(r.Context(), id))
	})
}

// stillThere is an error if an import's reports were removed while they were read, which is not in one go.
func (s *Server) stillThere(ctx context.Context, id fhirmsg.ImportID) error {
	if sweep, err := s.Ledger.Swept(ctx, id); err != nil || sweep == nil {
		return err
	}
	return errors.New("the reports were removed meanwhile")
}

// send streams ndjson. What cannot be sent to its end is cut off.
func (s *Server) send(w http.ResponseWriter, each func(line func([]byte) error) error) {
	w.Header().Set("Content-Type", "application/fhir+ndjson")
	out := bufio.NewWriter(w)
	err := each(func(line []byte) error {
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
