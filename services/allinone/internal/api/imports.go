package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/services/allinone/internal/inbox"
)

// maxRequest is the greatest size of an import request in bytes.
const maxRequest = 8 << 20

// Created is the answer to a request for an import.
type Created struct {
	Import fhirmsg.ImportID `json:"import"`
}

// create queues an import request. It is accepted by a fetcher, which may be a moment later.
func (s *Server) create(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		failBody(w, err)
		return
	}
	req, err := fhirmsg.ParseImportRequest(body)
	if err != nil {
		fail(w, http.StatusBadRequest, fmt.Errorf("import request: %w", err))
		return
	}
	s.queue(w, r, req)
}

// queue enqueues a request and answers with the id of its import.
func (s *Server) queue(w http.ResponseWriter, r *http.Request, req fhirmsg.ImportRequest) {
	nothing := func(context.Context, fhirmsg.ImportRequest) error { return nil }
	s.enqueue(w, r, req, nothing, func(req fhirmsg.ImportRequest) {
		w.Header().Set("Location", "/imports/"+req.ID.String())
		reply(w, http.StatusAccepted, Created{Import: req.ID})
	})
}

// enqueue checks a request against its supplier's policy, publishes it after what has to be done first, and
// answers. What the request leaves open stays so: the policy fills it in, and is pinned, when a fetcher accepts it.
func (s *Server) enqueue(w http.ResponseWriter, r *http.Request, req fhirmsg.ImportRequest,
	first func(context.Context, fhirmsg.ImportRequest) error, answer func(fhirmsg.ImportRequest),
) {
	c := callerOf(r)
	if err := c.check(req); err != nil {
		fail(w, http.StatusForbidden, err)
		return
	}
	req.Supplier = c.supplierOf(req)
	if req.ID == (fhirmsg.ImportID{}) {
		id, err := newID(r)
		if err != nil {
			fail(w, http.StatusInternalServerError, err)
			return
		}
		req.ID = id
	}
	if err := req.CheckOpen(); err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	if !s.admit(w, r, c, req) {
		return
	}
	if err := first(r.Context(), req); err != nil {
		s.failLedger(w, err)
		return
	}
	if s.dispatch(w, r, req) {
		answer(req)
	}
}

// check says what a supplier may not ask for. An operator may ask for anything.
func (c caller) check(req fhirmsg.ImportRequest) error {
	switch {
	case c.isOperator():
		return nil
	case req.Supplier != "" && req.Supplier != c.name():
		return fmt.Errorf("supplier: the token is of supplier %s", c.name())
	case req.ID != (fhirmsg.ImportID{}), req.Attempt != 0:
		return fmt.Errorf("id, attempt: are not a supplier's to choose; name the request by the header %s", headerKey)
	case req.Retry != (fhirmsg.ImportID{}) && c.supplier.IsLaxer(req.Validation):
		return fmt.Errorf("what supplier %s delivers is validated as %s at least", c.name(), c.supplier.Validation)
	}
	for i, source := range req.Sources {
		if source.Path != "" {
			return fmt.Errorf("sources[%d].path: files of this server are its operator's; hand content in with PUT /spool", i)
		}
		if source.Delivered != nil {
			return fmt.Errorf("sources[%d].delivered: what comes over NATS is imported by itself", i)
		}
		if source.Spool != "" && (!strings.HasPrefix(source.Spool, spoolPrefix(c)) || strings.Contains(source.Spool, "/")) {
			return fmt.Errorf("sources[%d].spool: was not handed in by supplier %s", i, c.name())
		}
	}
	return nil
}

// admit answers what a declared supplier's policy refuses, so that it is known at once; ok is that it does not.
func (s *Server) admit(w http.ResponseWriter, r *http.Request, c caller, req fhirmsg.ImportRequest) (ok bool) {
	declared, ok := s.fit(w, r, req)
	if !ok || declared == nil || c.isOperator() {
		return ok // an operator's imports wait for their turn
	}
	if !s.hasRoom(w, r) || inbox.NamesKept(req) && !s.mayKeep(w, declared) {
		return false
	}
	if declared.MaxImports == 0 {
		return true
	}
	open, err := s.Ledger.OpenImports(r.Context(), declared.Name)
	if err != nil {
		s.failLedger(w, err)
		return false
	}
	if open >= declared.MaxImports {
		tooMany(w, retryImports, fmt.Sprintf("%d imports of supplier %s are under way, which is as many as may be at once", open, declared.Name))
		return false
	}
	return true
}

// mayKeep reports whether a supplier may have one more import whose content is kept here until it is fetched. The ledger does not know
// of all that have some: a fetcher has yet to accept them, and paused ones do not count in what its policy allows at once. Ok is false
// when an answer was given.
func (s *Server) mayKeep(w http.ResponseWriter, declared *ledger.Supplier) (ok bool) {
	most := ledger.MaxOpenImports
	if declared.MaxImports > 0 {
		most = min(most, declared.MaxImports+s.Inbox.Open)
	}
	n, err := s.Inbox.Unfetched(declared.Name)
	if err != nil {
		s.failUpload(w, declared.Name, 0, err)
		return false
	}
	if n >= most {
		tooMany(w, retryUploads, fmt.Sprintf("what %d imports of supplier %s have was not fetched yet, which is as many as may be; resume or cancel those that are paused",
			n, declared.Name))
	}
	return n < most
}

// fit is admit without what depends on other imports. The supplier is nil where it was not declared.
func (s *Server) fit(w http.ResponseWriter, r *http.Request, req fhirmsg.ImportRequest) (_ *ledger.Supplier, ok bool) {
	declared, err := s.Ledger.Supplier(r.Context(), req.Supplier)
	switch {
	case errors.Is(err, ledger.ErrNoSupplier):
		if err := req.WithDefaults().Check(); err != nil { // nothing else is filled in
			fail(w, http.StatusBadRequest, err)
			return nil, false
		}
		return nil, true
	case err != nil:
		s.failLedger(w, err)
		return nil, false
	case declared.Removed != nil:
		fail(w, http.StatusUnprocessableEntity, fmt.Errorf("supplier %s was removed and delivers nothing any more", declared.Name))
		return nil, false
	}
	if req.Retry == (fhirmsg.ImportID{}) {
		if _, refusal := declared.Fill(req); refusal != "" {
			fail(w, http.StatusUnprocessableEntity, errors.New(refusal))
			return nil, false
		}
	}
	return &declared, true
}

// retryImports is after how many seconds a supplier may ask again whether one of its imports has ended.
const retryImports = 10

// publish queues a request. It waits for a queue that is full, or cannot be reached, but not for ever. Ok is false when an answer was given.
func (s *Server) publish(w http.ResponseWriter, r *http.Request, req fhirmsg.ImportRequest) (ok bool) {
	err := s.publishSoon(r, req)
	if err != nil {
		s.failPublish(w, err)
	}
	return err == nil
}

func (s *Server) publishSoon(r *http.Request, req fhirmsg.ImportRequest) error {
	ctx, cancel := context.WithTimeout(r.Context(), cmp.Or(s.queueFor, settleFor))
	defer cancel()
	return s.publishTo(ctx, req)
}

func (s *Server) failPublish(w http.ResponseWriter, err error) {
	s.Log.Error().Err(err).Msg("cannot queue an import request")
	fail(w, http.StatusServiceUnavailable, errors.New("the queue is full, or cannot be reached; try again"))
}

func (s *Server) publishTo(ctx context.Context, req fhirmsg.ImportRequest) error {
	msg, err := req.Encode()
	if err != nil {
		return err
	}
	return s.Bus.Publish(ctx, fhirmsg.FetchSubject(req.Supplier), req.MessageID(), msg)
}

// listed is how many imports a list shows.
const listed = 50

func (s *Server) list(w http.ResponseWriter, r *http.Request) {
	var imports []ledger.Summary
	if err := s.addUp(r.Context(), func(ctx context.Context) (err error) {
		imports, err = s.Ledger.List(ctx, callerOf(r).name(), listed)
		return err
	}); err != nil {
		s.failLedger(w, err)
		return
	}
	reply(w, http.StatusOK, imports)
}

func (s *Server) status(w http.ResponseWriter, r *http.Request) {
	id, ok := s.ownImport(w, r)
	if !ok {
		return
	}
	status, err := s.account(r, id)
	if err != nil {
		s.failLedger(w, err)
		return
	}
	reply(w, http.StatusOK, status)
}

// move changes an import's state and answers with the import as it stands then.
func (s *Server) move(w http.ResponseWriter, r *http.Request, change func(context.Context, fhirmsg.ImportID) error) {
	id, ok := s.ownImport(w, r)
	if !ok {
		return
	}
	if err := change(r.Context(), id); err != nil {
		s.failLedger(w, err)
		return
	}
	s.keep(r.Context(), id)
	s.moved(w, r, id)
}

// moved answers with the account of an import that was changed, without its lists of files: the answer to a request with a key is kept for
// days, and there may be a hundred thousand. Where that takes too long to add up, the answer does without: the change was made.
func (s *Server) moved(w http.ResponseWriter, r *http.Request, id fhirmsg.ImportID) {
	status, err := s.account(r, id)
	if errors.Is(err, errSums) {
		reply(w, http.StatusAccepted, Created{Import: id})
		return
	}
	if err != nil {
		s.failLedger(w, err)
		return
	}
	status.Files, status.Skipped = nil, nil
	reply(w, http.StatusOK, status)
}

// keepFor is how long an answer waits for a change to be in the journal.
const keepFor = 5 * time.Second

// keep publishes a change of an import in the journal before it is answered, so that a restore of the
// database brings it back. If that fails, a writer does so later.
func (s *Server) keep(ctx context.Context, id fhirmsg.ImportID) {
	ctx, cancel := context.WithTimeout(ctx, keepFor)
	defer cancel()
	if err := s.Journal.Import(ctx, id); err != nil {
		s.Log.Warn().Err(err).Stringer("import", id).Msg("a change of an import is not in the journal yet; a writer publishes it")
	}
}

func (s *Server) cancel(w http.ResponseWriter, r *http.Request) { s.move(w, r, s.Ledger.Cancel) }

func (s *Server) pause(w http.ResponseWriter, r *http.Request) { s.move(w, r, s.Ledger.Pause) }

func (s *Server) resume(w http.ResponseWriter, r *http.Request) {
	id, ok := s.ownImport(w, r)
	if !ok {
		return
	}
	was, err := s.Ledger.State(r.Context(), id)
	if err != nil {
		s.failLedger(w, err)
		return
	}
	req, publish, err := s.Ledger.Resume(r.Context(), id)
	if err != nil {
		s.failLedger(w, err)
		return
	}
	if publish {
		if err := s.publishSoon(r, req); err != nil {
			s.pauseAgain(uncancelled(r), id, was)
			s.failPublish(w, err)
			return
		}
	}
	s.keep(r.Context(), id)
	reply(w, http.StatusAccepted, Created{Import: id})
}

// pauseAgain leaves an import that cannot be resumed as it was. Without a request in the queue nobody would fetch it, and later ones of
// its supplier would wait for it.
func (s *Server) pauseAgain(ctx context.Context, id fhirmsg.ImportID, was ledger.State) {
	if was != ledger.StatePaused {
		return
	}
	if err := s.Ledger.Pause(ctx, id); err != nil {
		s.Log.Warn().Err(err).Stringer("import", id).Msg("an import that cannot be resumed is not paused again")
	}
}

// retry queues an import that puts the rejects of another one through again.
func (s *Server) retry(w http.ResponseWriter, r *http.Request) {
	id, ok := s.ownImport(w, r)
	if !ok {
		return
	}
	var req fhirmsg.ImportRequest
	if err := s.addUp(r.Context(), func(ctx context.Context) (err error) {
		req, err = s.Ledger.Retry(ctx, id, fhirmsg.Validation(r.URL.Query().Get("validation")))
		return err
	}); err != nil {
		s.failLedger(w, err)
		return
	}
	s.queue(w, r, req)
}
