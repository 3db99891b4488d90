package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/services/allinone/internal/inbox"
)

// retryUploads is after how many seconds an upload may be tried again that is one too many.
const retryUploads = 30

// putFile takes a file in one request. It is an import at once, or one more file of the delivery that
// ?delivery= names.
func (s *Server) putFile(w http.ResponseWriter, r *http.Request) {
	req, limit, ok := s.uploadRequest(w, r)
	if !ok {
		return
	}
	file, into := r.PathValue("file"), r.URL.Query().Get("delivery")
	if err := inbox.CheckName(file); err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	if into != "" {
		if limit, ok = s.roomIn(w, req.Supplier, into, file, limit); !ok {
			return
		}
	} else if !s.admitUpload(w, r, req) {
		return
	}
	d, sum, ok := s.receive(w, r, req.Supplier, file, limit)
	if !ok {
		return
	}
	defer s.remove(d)
	if into != "" {
		s.addTo(w, d, req.Supplier, into, file)
		return
	}
	s.once(w, r, asked(r, sum), func(w http.ResponseWriter, r *http.Request) {
		if id, ok := s.hand(w, r, d, req); ok {
			accepted(w, id)
		}
	})
}

// uploadRequest is the import request that an upload's path and query make, and how many bytes its
// supplier's policy allows, 0 for any number. Ok is false when an answer was given.
func (s *Server) uploadRequest(w http.ResponseWriter, r *http.Request) (req fhirmsg.ImportRequest, limit int64, ok bool) {
	c, name := callerOf(r), r.PathValue("name")
	if !c.isOperator() && name != c.name() {
		fail(w, http.StatusNotFound, ledger.ErrNoSupplier)
		return req, 0, false
	}
	declared, err := s.Ledger.Supplier(r.Context(), name)
	switch {
	case errors.Is(err, ledger.ErrNoSupplier) && name == fhirmsg.DefaultSupplier: // the operator, who need not be declared
	case err != nil:
		s.failSupplier(w, err)
		return req, 0, false
	case declared.Removed != nil:
		fail(w, http.StatusUnprocessableEntity, fmt.Errorf("supplier %s was removed and delivers nothing any more", name))
		return req, 0, false
	}
	switch r.Header.Get("Content-Encoding") {
	case "", "identity", "gzip", "x-gzip", "zstd": // kept as it is: content tells its format
	default:
		fail(w, http.StatusUnsupportedMediaType, errors.New("header Content-Encoding: gzip and zstd are taken"))
		return req, 0, false
	}
	q := r.URL.Query()
	req = fhirmsg.ImportRequest{
		Supplier: name, Dataset: q.Get("dataset"), Mode: fhirmsg.Mode(q.Get("mode")), Validation: fhirmsg.Validation(q.Get("validation")),
	}
	if err := declare(q, &req); err != nil {
		fail(w, http.StatusBadRequest, err)
		return req, 0, false
	}
	return req, declared.MaxBytes, true
}

// declare reads what a query says a delivery is: a snapshot, or what mends another one.
func declare(q url.Values, req *fhirmsg.ImportRequest) (err error) {
	if s := q.Get("snapshot"); s != "" {
		is, err := strconv.ParseBool(s)
		if err != nil {
			return errors.New("snapshot: must be true or false")
		}
		req.Snapshot = &is
	}
	if s := q.Get("snapshot_types"); s != "" {
		req.SnapshotTypes = strings.Split(s, ",")
	}
	req.MaxDeletes = q.Get("max_deletes")
	if s := q.Get("mends"); s != "" {
		if req.Mends, err = fhirmsg.ParseImportID(s); err != nil {
			return fmt.Errorf("mends: %w", err)
		}
	}
	return nil
}

// admitUpload refuses what can be refused before a byte was received. Ok is false when an answer was given.
func (s *Server) admitUpload(w http.ResponseWriter, r *http.Request, req fhirmsg.ImportRequest) (ok bool) {
	req.ID, req.Sources = fhirmsg.ImportID{1}, []fhirmsg.Source{{Spool: "x"}} // as there will be
	if err := req.CheckOpen(); err != nil {
		fail(w, http.StatusBadRequest, err)
		return false
	}
	return s.admit(w, r, callerOf(r), req)
}

// receive keeps a request's body as the one file of a new delivery, whole and with the digest that was
// announced, or not at all. Ok is false when an answer was given.
func (s *Server) receive(w http.ResponseWriter, r *http.Request, supplier, file string, limit int64) (d *inbox.Delivery, sum []byte, ok bool) {
	want, err := digest(r, headerContentDigest)
	wantRepr, reprErr := digest(r, headerReprDigest)
	if err != nil || reprErr != nil {
		fail(w, http.StatusBadRequest, errNoDigest)
		return nil, nil, false
	}
	err = s.Inbox.Room(max(0, r.ContentLength))
	if limit > 0 && r.ContentLength > limit {
		err = inbox.ErrTooLarge
	}
	if err == nil {
		d, err = s.Inbox.Begin(supplier)
	}
	if err != nil {
		s.failUpload(w, supplier, limit, err)
		return nil, nil, false
	}
	h := sha256.New()
	err = d.Receive(file, io.TeeReader(r.Body, h), limit)
	sum = h.Sum(nil)
	for _, want := range [][]byte{want, wantRepr} {
		if err == nil && want != nil && !bytes.Equal(sum, want) {
			err = inbox.ErrDigest
		}
	}
	if err != nil {
		s.remove(d)
		s.failUpload(w, supplier, limit, err)
		return nil, nil, false
	}
	return d, sum, true
}

// remove removes what was not handed over.
func (s *Server) remove(d *inbox.Delivery) {
	if d.IsHanded() {
		return
	}
	if err := d.Remove(); err != nil {
		s.Log.Warn().Err(withoutPath(err)).Msg("what is left of an upload was not removed")
	}
}

// hand makes a delivery an import. A request with a key that was handed over before, and whose answer was
// lost, is the same import. Ok is false when an answer was given.
func (s *Server) hand(w http.ResponseWriter, r *http.Request, d *inbox.Delivery, req fhirmsg.ImportRequest) (id fhirmsg.ImportID, ok bool) {
	var err error
	if req.ID == (fhirmsg.ImportID{}) {
		req.ID, err = newID(r)
	}
	if err == nil && r.Header.Get(headerKey) != "" {
		switch _, known := s.Ledger.SupplierOf(r.Context(), req.ID); {
		case known == nil:
			return req.ID, true
		case !errors.Is(known, ledger.ErrNotFound):
			err = known
		}
	}
	if err == nil {
		req, err = d.Hand(req)
	}
	if errors.Is(err, inbox.ErrExists) {
		return req.ID, true
	}
	if err != nil {
		s.failUpload(w, req.Supplier, 0, err)
		return id, false
	}
	s.publishHanded(r, d, req)
	return req.ID, true
}

// publishHanded queues the request of a delivery that was handed over. It is on disk, so the import is
// certain, whether the queue can be reached now or later (invariant 1).
func (s *Server) publishHanded(r *http.Request, d *inbox.Delivery, req fhirmsg.ImportRequest) {
	ctx, cancel := context.WithTimeout(uncancelled(r), keepFor)
	defer cancel()
	err := s.publishTo(ctx, req)
	if err == nil {
		err = d.Published()
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.Log.Warn().Err(withoutPath(err)).Stringer("import", req.ID).Msg("the request of an upload is not in the queue yet; it is tried again")
	}
}

func accepted(w http.ResponseWriter, id fhirmsg.ImportID) {
	w.Header().Set("Location", "/imports/"+id.String())
	reply(w, http.StatusAccepted, Created{Import: id})
}

// failUpload answers with what an error of an upload means.
func (s *Server) failUpload(w http.ResponseWriter, supplier string, limit int64, err error) {
	switch {
	case errors.Is(err, inbox.ErrTooLarge) && limit > 0:
		fail(w, http.StatusRequestEntityTooLarge, fmt.Errorf("more than the %d bytes that the policy of supplier %s leaves for it", limit, supplier))
	case errors.Is(err, inbox.ErrTooLarge):
		fail(w, http.StatusRequestEntityTooLarge, err)
	case errors.Is(err, inbox.ErrTooMany), errors.Is(err, inbox.ErrManyKept):
		tooMany(w, retryUploads, err.Error())
	case errors.Is(err, inbox.ErrNoSpace):
		s.Log.Warn().Str("supplier", supplier).Msg("an upload was refused: not enough disk space is left")
		fail(w, http.StatusInsufficientStorage, err)
	case errors.Is(err, inbox.ErrNotFound):
		fail(w, http.StatusNotFound, err)
	case errors.Is(err, inbox.ErrDigest):
		fail(w, http.StatusBadRequest, err)
	case errors.Is(err, inbox.ErrOffset):
		fail(w, http.StatusConflict, err)
	case errors.Is(err, errSlow):
		w.Header().Set("Connection", "close")
		fail(w, http.StatusRequestTimeout, err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		fail(w, http.StatusBadRequest, errors.New("the content was cut off"))
	default:
		s.Log.Error().Err(withoutPath(err)).Msg("an upload could not be kept")
		fail(w, http.StatusServiceUnavailable, errors.New("the content could not be kept; try again, or ask the operator to see the log"))
	}
}

// Recover sees to what a process that ended was receiving. It is for the start, before the first request. An upload that cannot be
// handed over is left to who sent it, or to its expiry.
func (s *Server) Recover() error {
	return errors.Join(s.Inbox.Recover(), s.Inbox.Uploads(func(u *inbox.Upload) error {
		if at, err := u.Offset(); err != nil || at < u.Length {
			return err
		}
		if err := s.finish(u); err != nil {
			s.Log.Warn().Err(withoutPath(err)).Str("supplier", u.Request.Supplier).Msg("an upload that is whole cannot be handed over")
		}
		return nil
	}))
}

// tidyEvery is how often what was uploaded is seen to.
const tidyEvery = 10 * time.Second

// Run looks after what was uploaded until the context ends: it brings requests into the queue that are not
// there yet, and removes what was given up.
func (s *Server) Run(ctx context.Context) {
	ticker := time.NewTicker(tidyEvery)
	defer ticker.Stop()
	for {
		err := s.publishWaiting(ctx)
		if err = errors.Join(err, s.Inbox.Tidy(time.Now(), s.hasEnded(ctx)), s.tidySpool(ctx, time.Now())); err != nil && ctx.Err() == nil {
			s.Log.Error().Err(withoutPath(err)).Msg("what was uploaded cannot be seen to")
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// publishWaiting queues what waits for it, as far as that can be done in a moment: what was uploaded is to be seen to also where the
// queue is full.
func (s *Server) publishWaiting(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, keepFor)
	defer cancel()
	return s.Inbox.Waiting(ctx, s.publishTo)
}

// hasEnded reports whether an import has ended, for certain.
func (s *Server) hasEnded(ctx context.Context) func(fhirmsg.ImportID) bool {
	return func(id fhirmsg.ImportID) bool {
		state, err := s.Ledger.State(ctx, id)
		return err == nil && state.Ended()
	}
}

// withoutPath drops the names of files, which may say who a patient is (invariant 8).
func withoutPath(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	var linkErr *os.LinkError
	if errors.As(err, &linkErr) {
		return linkErr.Err
	}
	return err
}
