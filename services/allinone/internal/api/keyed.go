package api

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
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
	if len(key) > maxKey {
		fail(w, http.StatusBadRequest, fmt.Errorf("%s: of at most %d bytes", headerKey, maxKey))
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
		s.answer(w, r, named, handle)
	}
}

// asked is a hash of all that a request says.
func asked(r *http.Request, body []byte) fhirmsg.Hash {
	return fhirmsg.HashOf(append([]byte(r.Method+" "+r.URL.RequestURI()+"\n"), body...))
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

// newID makes the id of what a request asks for: of who asks and its key, if it has one, so that also a
// request whose answer was lost is the same import.
func newID(r *http.Request) (fhirmsg.ImportID, error) {
	if key := r.Header.Get(headerKey); key != "" {
		return fhirmsg.ImportIDFromKey(callerOf(r).name(), key), nil
	}
	return fhirmsg.NewImportID(time.Now(), rand.Reader)
}
