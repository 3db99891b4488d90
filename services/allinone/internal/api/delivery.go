package api

import (
	"errors"
	"net/http"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/services/allinone/internal/inbox"
)

// OpenDelivery is one that a supplier names and completes itself.
type OpenDelivery struct {
	Delivery string       `json:"delivery"`
	Files    []inbox.File `json:"files"`
}

// roomIn is how many bytes a file of a delivery may have beside those that are there, 0 for any number. Ok is
// false when an answer was given.
func (s *Server) roomIn(w http.ResponseWriter, supplier, delivery, file string, limit int64) (left int64, ok bool) {
	if err := inbox.CheckName(delivery); err != nil {
		fail(w, http.StatusBadRequest, err)
		return 0, false
	}
	d, err := s.Inbox.Find(supplier, delivery)
	if errors.Is(err, inbox.ErrNotFound) {
		return limit, true
	}
	var files []inbox.File
	if err == nil {
		files, err = d.Files()
	}
	if err == nil && len(files) >= fhirmsg.MaxSources {
		err = inbox.ErrTooLarge
	}
	left = limit
	for _, f := range files {
		if f.Name != file {
			left -= f.Bytes
		}
	}
	switch {
	case limit == 0:
		left = 0
	case err == nil && left <= 0:
		err = inbox.ErrTooLarge
	}
	if err != nil {
		s.failUpload(w, supplier, limit, err)
		return 0, false
	}
	return left, true
}

// addTo moves what was received into a delivery, and answers with it as it is then.
func (s *Server) addTo(w http.ResponseWriter, from *inbox.Delivery, supplier, delivery, file string) {
	d, err := s.Inbox.Named(supplier, delivery)
	if err == nil {
		err = from.Move(file, d)
	}
	var files []inbox.File
	if err == nil {
		files, err = d.Files()
	}
	if err != nil {
		s.failUpload(w, supplier, 0, err)
		return
	}
	reply(w, http.StatusCreated, OpenDelivery{delivery, files})
}

// open returns the delivery of the path. Ok is false when an answer was given.
func (s *Server) open(w http.ResponseWriter, r *http.Request) (d *inbox.Delivery, req fhirmsg.ImportRequest, ok bool) {
	if req, _, ok = s.uploadRequest(w, r); !ok {
		return nil, req, false
	}
	err := inbox.CheckName(r.PathValue("delivery"))
	if err != nil {
		fail(w, http.StatusBadRequest, err)
		return nil, req, false
	}
	if d, err = s.Inbox.Find(req.Supplier, r.PathValue("delivery")); err != nil {
		s.failUpload(w, req.Supplier, 0, err)
		return nil, req, false
	}
	return d, req, true
}

func (s *Server) delivery(w http.ResponseWriter, r *http.Request) {
	d, req, ok := s.open(w, r)
	if !ok {
		return
	}
	files, err := d.Files()
	if err != nil {
		s.failUpload(w, req.Supplier, 0, err)
		return
	}
	reply(w, http.StatusOK, OpenDelivery{r.PathValue("delivery"), files})
}

func (s *Server) removeDelivery(w http.ResponseWriter, r *http.Request) {
	d, _, ok := s.open(w, r)
	if !ok {
		return
	}
	s.remove(d)
	w.WriteHeader(http.StatusNoContent)
}

// completeDelivery makes a delivery an import. With a key it may be sent again until it is answered.
func (s *Server) completeDelivery(w http.ResponseWriter, r *http.Request) {
	req, _, ok := s.uploadRequest(w, r)
	if !ok {
		return
	}
	id, made, err := s.madeBefore(r, req.Supplier)
	if err != nil {
		s.failLedger(w, err)
		return
	}
	if made && !s.isOpen(req.Supplier, r.PathValue("delivery")) {
		accepted(w, id)
		return
	}
	d, req, ok := s.open(w, r)
	switch {
	case !ok:
	case made: // of the delivery that had this name before
		failMade(w, id)
	case s.admitUpload(w, r, req):
		if id, ok = s.hand(w, r, d, req); ok {
			accepted(w, id)
		}
	}
}

func (s *Server) isOpen(supplier, delivery string) bool {
	if inbox.CheckName(delivery) != nil {
		return false
	}
	_, err := s.Inbox.Find(supplier, delivery)
	return err == nil
}
