package api

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/services/allinone/internal/inbox"
)

// Resumable uploads: tus 1.0.0 (https://tus.io/protocols/resumable-upload) with creation, expiration and
// termination.
const (
	tusVersion    = "1.0.0"
	tusExtensions = "creation,expiration,termination"
	tusContent    = "application/offset+octet-stream"
)

// tusRequest is uploadRequest for requests of the protocol.
func (s *Server) tusRequest(w http.ResponseWriter, r *http.Request) (req fhirmsg.ImportRequest, limit int64, ok bool) {
	w.Header().Set("Tus-Resumable", tusVersion)
	w.Header().Set("Cache-Control", "no-store")
	if r.Method != http.MethodOptions && r.Header.Get("Tus-Resumable") != tusVersion {
		w.Header().Set("Tus-Version", tusVersion)
		fail(w, http.StatusPreconditionFailed, errors.New("header Tus-Resumable: must be "+tusVersion))
		return req, 0, false
	}
	return s.uploadRequest(w, r)
}

func (s *Server) tusOptions(w http.ResponseWriter, r *http.Request) {
	_, limit, ok := s.tusRequest(w, r)
	if !ok {
		return
	}
	w.Header().Set("Tus-Version", tusVersion)
	w.Header().Set("Tus-Extension", tusExtensions)
	if limit > 0 {
		w.Header().Set("Tus-Max-Size", strconv.FormatInt(limit, 10))
	}
	w.WriteHeader(http.StatusNoContent)
}

// tusCreate announces an upload. Its metadata are filename, and delivery where it is to be part of one.
func (s *Server) tusCreate(w http.ResponseWriter, r *http.Request) {
	req, limit, ok := s.tusRequest(w, r)
	if !ok {
		return
	}
	info, err := announced(r)
	if err == nil {
		req.ID, err = newID(r)
	}
	if err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	if info.Into != "" {
		if limit, ok = s.roomIn(w, req.Supplier, info.Into, info.File, limit); !ok {
			return
		}
	} else if !s.admitUpload(w, r, req) || !s.isNewUpload(w, r, req) {
		return
	}
	info.Request = req
	if err = s.Inbox.Room(info.Length); limit > 0 && info.Length > limit {
		err = inbox.ErrTooLarge
	}
	if err == nil {
		err = s.Inbox.Announce(info)
	}
	if err != nil && !errors.Is(err, inbox.ErrExists) { // of a request with a key whose answer was lost
		s.failUpload(w, req.Supplier, limit, err)
		return
	}
	u, err := s.Inbox.Upload(req.Supplier, req.ID)
	if err == nil && u.Length == 0 {
		err = s.finish(u)
	}
	if err != nil {
		s.failUpload(w, req.Supplier, limit, err)
		return
	}
	s.expires(w, u)
	w.Header().Set("Location", "/suppliers/"+req.Supplier+"/uploads/"+req.ID.String())
	w.WriteHeader(http.StatusCreated)
}

// isNewUpload refuses an upload with a key that would have the id of an import before it, which was announced in the same way: what it
// brings would be taken for that. Ok is false when an answer was given.
func (s *Server) isNewUpload(w http.ResponseWriter, r *http.Request, req fhirmsg.ImportRequest) (ok bool) {
	id, made, err := s.madeBefore(r, req.Supplier)
	if err == nil && made {
		_, err = s.Inbox.Upload(req.Supplier, id) // else its answer was lost
	}
	switch {
	case errors.Is(err, inbox.ErrNotFound):
		failMade(w, id)
	case err != nil:
		s.failLedger(w, err)
	}
	return err == nil
}

// announced reads what an upload is announced as.
func announced(r *http.Request) (info inbox.UploadInfo, err error) {
	if info.Length, err = strconv.ParseInt(r.Header.Get("Upload-Length"), 10, 64); err != nil || info.Length < 0 {
		return info, errors.New("header Upload-Length: must be the number of bytes; it cannot be deferred")
	}
	if info.SHA256, err = digest(r, headerReprDigest); err != nil {
		return info, err
	}
	for pair := range strings.SplitSeq(r.Header.Get("Upload-Metadata"), ",") {
		key, encoded, _ := strings.Cut(strings.TrimSpace(pair), " ")
		value, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
		if err != nil {
			return info, errors.New("header Upload-Metadata: values must be in base64")
		}
		switch key {
		case "filename":
			info.File = string(value)
		case "delivery":
			info.Into = string(value)
			if err := inbox.CheckName(info.Into); err != nil {
				return info, fmt.Errorf("header Upload-Metadata: delivery: %w", err)
			}
		}
	}
	if err := inbox.CheckName(info.File); err != nil {
		return info, fmt.Errorf("header Upload-Metadata: filename: %w", err)
	}
	return info, nil
}

// upload returns the one of the path. Ok is false when an answer was given.
func (s *Server) upload(w http.ResponseWriter, r *http.Request) (u *inbox.Upload, ok bool) {
	req, _, ok := s.tusRequest(w, r)
	if !ok {
		return nil, false
	}
	id, err := fhirmsg.ParseImportID(r.PathValue("upload"))
	if err != nil {
		err = inbox.ErrNotFound
	} else {
		u, err = s.Inbox.Upload(req.Supplier, id)
	}
	if err != nil {
		s.failUpload(w, req.Supplier, 0, err)
		return nil, false
	}
	return u, true
}

// tusHead tells where an upload is to go on.
func (s *Server) tusHead(w http.ResponseWriter, r *http.Request) {
	u, ok := s.upload(w, r)
	if !ok {
		return
	}
	if at, err := u.Offset(); err == nil && at == u.Length && !u.IsHanded() { // its process ended before it was
		release, held := s.hold(w, r, &u, func() {})
		if !held {
			return
		}
		defer release()
	}
	w.Header().Set("Upload-Length", strconv.FormatInt(u.Length, 10))
	s.tusAnswer(w, r, u, http.StatusOK)
}

// hold makes this the one request that changes an upload, and reads again how the upload is then. Ok is false
// when there is nothing more to do.
func (s *Server) hold(w http.ResponseWriter, r *http.Request, u **inbox.Upload, stop func()) (release func(), ok bool) {
	req := (*u).Request
	release, ok = s.tus.hold(r.Context(), req.ID.String(), stop)
	if !ok {
		return nil, false // the client went away
	}
	now, err := s.Inbox.Upload(req.Supplier, req.ID)
	if err != nil {
		release()
		s.failUpload(w, req.Supplier, 0, err)
		return nil, false
	}
	*u = now
	return release, true
}

// tusPatch takes the next part of an upload. What of it arrives is kept; with the last byte the upload is handed over.
func (s *Server) tusPatch(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Content-Type") != tusContent {
		fail(w, http.StatusUnsupportedMediaType, errors.New("header Content-Type: must be "+tusContent))
		return
	}
	offset, err := strconv.ParseInt(r.Header.Get("Upload-Offset"), 10, 64)
	if err != nil {
		fail(w, http.StatusBadRequest, errors.New("header Upload-Offset: must be a number of bytes"))
		return
	}
	sum, err := digest(r, headerContentDigest)
	if err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	u, ok := s.upload(w, r)
	if !ok {
		return
	}
	content := bodyOf(r)
	release, ok := s.hold(w, r, &u, content.stop)
	if !ok {
		return
	}
	defer release()
	if err := u.Append(content, offset, sum); err != nil {
		s.failUpload(w, u.Request.Supplier, 0, err)
		return
	}
	s.tusAnswer(w, r, u, http.StatusNoContent)
}

// tusAnswer tells how far an upload is. One that is there whole is handed over first: what is answered to be
// whole is an import, or part of a delivery.
func (s *Server) tusAnswer(w http.ResponseWriter, r *http.Request, u *inbox.Upload, status int) {
	at, err := u.Offset()
	if err == nil && at == u.Length {
		err = s.finish(u)
	}
	if err != nil {
		s.failUpload(w, u.Request.Supplier, 0, err)
		return
	}
	w.Header().Set("Upload-Offset", strconv.FormatInt(at, 10))
	s.expires(w, u)
	if u.IsHanded() && u.Into == "" {
		if req, waits := u.Waits(); waits {
			s.publishHanded(r, u.Delivery, req)
		}
		w.Header().Set("Location", "/imports/"+u.Request.ID.String())
	}
	w.WriteHeader(status)
}

// expires tells until when an upload is kept that has not been handed over.
func (s *Server) expires(w http.ResponseWriter, u *inbox.Upload) {
	if u.IsHanded() {
		return
	}
	if at, err := u.Expires(); err == nil {
		w.Header().Set("Upload-Expires", at.UTC().Format(http.TimeFormat))
	}
}

// finish hands an upload over that is there whole. Said again, it changes nothing. One with another digest
// than was announced is removed, and so is one for a delivery that has as many files as it may.
func (s *Server) finish(u *inbox.Upload) error {
	if u.IsHanded() {
		return nil
	}
	if err := u.Check(); err != nil {
		if errors.Is(err, inbox.ErrDigest) {
			return errors.Join(err, u.Remove())
		}
		return err
	}
	if u.Into == "" {
		_, err := u.Hand(u.Request)
		return err
	}
	into, err := s.Inbox.Named(u.Request.Supplier, u.Into)
	if err != nil {
		return err
	}
	switch err := u.Move(u.File, into); {
	case err == nil, errors.Is(err, inbox.ErrNotFound): // moved before
		return u.Moved()
	case errors.Is(err, inbox.ErrTooLarge):
		return errors.Join(err, u.Remove())
	default:
		return err
	}
}

// tusDelete removes an upload that was not handed over.
func (s *Server) tusDelete(w http.ResponseWriter, r *http.Request) {
	u, ok := s.upload(w, r)
	if !ok {
		return
	}
	release, ok := s.hold(w, r, &u, func() {})
	if !ok {
		return
	}
	defer release()
	if u.IsHanded() {
		fail(w, http.StatusConflict, errors.New("it was received whole, and has become an import or part of a delivery; cancel or remove that"))
		return
	}
	s.remove(u.Delivery)
	w.WriteHeader(http.StatusNoContent)
}

// tusOverride is for clients that cannot send all methods.
func (s *Server) tusOverride(w http.ResponseWriter, r *http.Request) {
	switch r.Header.Get("X-HTTP-Method-Override") {
	case http.MethodPatch:
		s.tusPatch(w, r)
	case http.MethodDelete:
		s.tusDelete(w, r)
	default:
		fail(w, http.StatusMethodNotAllowed, errors.New("header X-HTTP-Method-Override: must be PATCH or DELETE"))
	}
}
