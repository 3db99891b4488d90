package api

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// headerKey names a request, so that it has one effect however often it is sent
// (draft-ietf-httpapi-idempotency-key-header).
const headerKey = "Idempotency-Key"

// maxKey is the greatest length of a key in bytes.
const maxKey = 255

// keyed answers a request that has the key of an earlier one as that one was answered. Keys are of
// one caller each. A key with another request is refused with 422, and one whose request is
// still being answered with 409. Answers that say to try again are not kept.
func (s *Server) keyed(handle http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get(headerKey) == "" {
			handle(w, r)
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
		if err != nil {
			failBody(w, err)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		s.once(w, r, asked(r, body), handle)
	}
}

// once is keyed for a request whose body was read.
func (s *Server) once(w http.ResponseWriter, r *http.Request, asked fhirmsg.Hash, handle http.HandlerFunc) {
	key := r.Header.Get(headerKey)
	if key == "" {
		handle(w, r)
		return
	}
	if len(key) > maxKey || strings.ContainsFunc(key, func(c rune) bool { return c < ' ' || c > '~' }) {
		fail(w, http.StatusBadRequest, fmt.Errorf("%s: of at most %d printable ASCII characters", headerKey, maxKey))
		return
	}
	named := ledger.Request{Caller: callerOf(r).name(), Key: key, Asked: asked}
	answer, err := s.Ledger.BeginRequest(r.Context(), named)
	switch {
	case errors.Is(err, ledger.ErrKeyUsed):
		fail(w, http.StatusUnprocessableEntity, fmt.Errorf("%s: it was used for another request; use a new one for each", headerKey))
	case errors.Is(err, ledger.ErrKeyInHand):
		w.Header().Set("Retry-After", "1")
		fail(w, http.StatusConflict, fmt.Errorf("%s: its request is being answered; try again", headerKey))
	case err != nil:
		s.failLedger(w, err)
	case answer != nil:
		replayAnswer(w, *answer)
	default:
		s.answer(w, r.WithContext(context.WithValue(r.Context(), requestKey{}, named)), named, handle)
	}
}

// requestKey is of the [ledger.Request] that a request with a key is.
type requestKey struct{}

// asked is a hash of all that a request says: what it is for, the headers that announce an upload, and its body.
func asked(r *http.Request, body []byte) fhirmsg.Hash {
	said := r.Method + " " + r.URL.RequestURI() + "\n"
	for _, name := range []string{"Upload-Length", "Upload-Metadata", headerReprDigest} {
		if v := r.Header.Get(name); v != "" {
			said += name + ": " + v + "\n"
		}
	}
	return fhirmsg.HashOf(append([]byte(said), body...))
}

// answer has a request answered, and keeps the answer.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, named ledger.Request, handle http.HandlerFunc) {
	rec := &recorder{ResponseWriter: w}
	handle(rec, r)
	if rec.status == http.StatusTooManyRequests || rec.status >= http.StatusInternalServerError {
		s.forgetRequest(r, named)
		return
	}
	header := map[string]string{}
	for _, h := range []string{"Content-Type", "Location", "Content-Location"} {
		if v := w.Header().Get(h); v != "" {
			header[h] = v
		}
	}
	// The effect is there whether the answer can be kept or not; imports have ids made of the key.
	if err := s.Ledger.EndRequest(uncancelled(r), named, ledger.Answer{Status: rec.status, Header: header, Body: rec.body.Bytes()}); err != nil {
		s.Log.Warn().Err(err).Msg("the answer to a request with a key was not kept")
	}
}

func (s *Server) forgetRequest(r *http.Request, named ledger.Request) {
	if err := s.Ledger.ForgetRequest(uncancelled(r), named); err != nil {
		s.Log.Warn().Err(err).Msg("a request with a key is kept as unanswered for a while")
	}
}

func replayAnswer(w http.ResponseWriter, a ledger.Answer) {
	for name, value := range a.Header {
		w.Header().Set(name, value)
	}
	w.Header().Set("Idempotency-Replayed", "true")
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.Body) // the client went away; there is nobody to tell
}

// recorder keeps what is answered.
type recorder struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

// WriteHeader implements [http.ResponseWriter].
func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// Unwrap is for [http.ResponseController].
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// Write implements [http.ResponseWriter].
func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	r.body.Write(b)
	return r.ResponseWriter.Write(b)
}

// newID makes the id of what a request asks for: of who asks, its key, if it has one, and what it says, so that also a
// request whose answer was lost is the same import. What it says is a part of it since keys are forgotten some day, and imports are not.
func newID(r *http.Request) (fhirmsg.ImportID, error) {
	if named, ok := r.Context().Value(requestKey{}).(ledger.Request); ok {
		return fhirmsg.ImportIDFromKey(named.Caller, named.Key+"\x00"+named.Asked.String()), nil
	}
	return fhirmsg.NewImportID(time.Now(), rand.Reader)
}

// madeBefore returns the id of what a request with a key asks for, and whether the supplier has an import of that id already: from
// a request whose answer was lost, or one so long ago that the key was forgotten.
func (s *Server) madeBefore(r *http.Request, supplier string) (id fhirmsg.ImportID, made bool, err error) {
	if r.Header.Get(headerKey) == "" {
		return id, false, nil
	}
	if id, err = newID(r); err != nil || s.Inbox.IsHanded(supplier, id) {
		return id, err == nil, err
	}
	name, err := s.Ledger.SupplierOf(r.Context(), id)
	if errors.Is(err, ledger.ErrNotFound) {
		return id, false, nil
	}
	return id, err == nil && name == supplier, err
}

// failMade answers a request whose key is that of an import with other content.
func failMade(w http.ResponseWriter, id fhirmsg.ImportID) {
	fail(w, http.StatusUnprocessableEntity, fmt.Errorf("%s: it was used for what is import %s; use a new one for each", headerKey, id))
}
