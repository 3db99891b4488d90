package api

import (
	"crypto/rand"
	"net/http"
)

// Spooled is the answer to content handed in.
type Spooled struct {
	Spool string `json:"spool"` // the name to use as a source
	Bytes int64  `json:"bytes"`
}

// spool keeps a request's body as a file, whole or not at all, so that it can be read again
// after a crash.
func (s *Server) spool(w http.ResponseWriter, r *http.Request) {
	c, limit := callerOf(r), int64(0)
	if c.isOperator() {
		if err := s.Inbox.Room(0); err != nil { // before a pipe that says nothing is waited for
			w.Header().Set("Connection", "close")
			s.failUpload(w, c.name(), limit, err)
			return
		}
		bodyOf(r).lift() // a pipe may wait for what it comes from
	} else {
		limit = c.supplier.MaxBytes
	}
	name := spoolPrefix(c) + rand.Text() + ".ndjson"
	n, err := s.Inbox.Keep(name, r.Body, limit)
	if err != nil {
		s.failUpload(w, c.name(), limit, err)
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
