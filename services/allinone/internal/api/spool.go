package api

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
)

// Spooled is the answer to content handed in.
type Spooled struct {
	Spool string `json:"spool"` // the name to use as a source
	Bytes int64  `json:"bytes"`
}

// spool keeps a request's body as a file, whole or not at all, so that it can be read again
// after a crash.
func (s *Server) spool(w http.ResponseWriter, r *http.Request) {
	c := callerOf(r)
	name := spoolPrefix(c) + rand.Text() + ".ndjson"
	content := r.Body
	if !c.isOperator() && c.supplier.MaxBytes > 0 {
		content = http.MaxBytesReader(w, content, c.supplier.MaxBytes)
	}
	n, err := s.spoolTo(name, content)
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		fail(w, http.StatusRequestEntityTooLarge, fmt.Errorf("more than the %d bytes that an import of supplier %s may have", tooLarge.Limit, c.name()))
		return
	}
	if err != nil {
		s.Log.Error().Err(err).Msg("cannot spool")
		fail(w, http.StatusInsufficientStorage, fmt.Errorf("the content could not be kept: %w", err))
		return
	}
	reply(w, http.StatusCreated, Spooled{Spool: name, Bytes: n})
}

// spoolPrefix begins the names of what a supplier hands in. No supplier's name has a dot.
func spoolPrefix(c caller) string {
	if c.isOperator() {
		return ""
	}
	return c.name() + "."
}

func (s *Server) spoolTo(name string, content io.Reader) (n int64, err error) {
	if err := os.MkdirAll(s.SpoolDir, 0o700); err != nil {
		return 0, err
	}
	part := filepath.Join(s.SpoolDir, name+".part")
	f, err := os.OpenFile(part, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(part) // what is left of a failure
		}
	}()
	if n, err = io.Copy(f, content); err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return n, err
	}
	return n, os.Rename(part, filepath.Join(s.SpoolDir, name))
}
