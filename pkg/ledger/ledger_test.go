package ledger

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/pgtest"
)

func newLedger(t *testing.T) *Ledger {
	t.Helper()
	// As package ledgertest, which this one cannot import.
	pool, err := pgxpool.New(t.Context(), pgtest.Prepared(t, SchemaHash(), func(ctx context.Context, databaseURL string) error {
		pool, err := pgxpool.New(ctx, databaseURL)
		if err != nil {
			return err
		}
		defer pool.Close()
		return Migrate(ctx, pool)
	}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return New(pool)
}

func newRequest(t *testing.T) fhirmsg.ImportRequest {
	t.Helper()
	id, err := fhirmsg.NewImportID(time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return fhirmsg.ImportRequest{ID: id, Sources: []fhirmsg.Source{{Path: "/x"}}}.WithDefaults()
}

func (l *Ledger) mustAccept(t *testing.T, req fhirmsg.ImportRequest) fhirmsg.Import {
	t.Helper()
	imp, _, err := l.Accept(t.Context(), req, 2, "d")
	if err != nil {
		t.Fatal(err)
	}
	return imp
}

// check fails the test on an error.
func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (l *Ledger) state(t *testing.T, id fhirmsg.ImportID) State {
	t.Helper()
	s, err := l.Status(t.Context(), id)
	check(t, err)
	return s.State
}

// fetchOne is an import of one file with one chunk of n lines, up to draining.
func (l *Ledger) fetchOne(t *testing.T, n int64) fhirmsg.Import {
	t.Helper()
	imp := l.mustAccept(t, newRequest(t))
	check(t, l.PinFiles(t.Context(), imp.ID, []File{{Name: "a", Locator: json.RawMessage(`{}`), State: "waiting", Size: 10}}, nil))
	_, err := l.BeginFetch(t.Context(), imp.ID)
	check(t, err)
	check(t, l.OpenFile(t.Context(), imp.ID, 0, json.RawMessage(`{}`), 10))
	_, err = l.RecordFetched(t.Context(), imp.ID, 0, 10, []Fetched{{Offset: 0, Length: 10, Lines: n}})
	check(t, err)
	check(t, l.CloseFile(t.Context(), imp.ID, 0, ""))
	check(t, l.CloseList(t.Context(), imp.ID))
	return imp
}

func parsedStatement(imp fhirmsg.Import, lines, plain int64) fhirmsg.Statement {
	return fhirmsg.Statement{Import: imp, Place: fhirmsg.Place{Length: 10}, Lines: lines, Plain: plain, Rejected: lines - plain, Fingerprint: fhirmsg.HashOf([]byte("p"))}
}

func writtenBatch(imp fhirmsg.Import, typ string, n int64) Written {
	return Written{
		Batch:  fhirmsg.BatchHeader{Import: imp, Place: fhirmsg.Place{Length: 10}, Type: typ, Fingerprint: fhirmsg.HashOf([]byte(typ))},
		Counts: Counts{Inserted: n}, Outcomes: []byte(strings.Repeat("i", int(n))),
	}
}

func (l *Ledger) recordWritten(t *testing.T, w ...Written) {
	t.Helper()
	check(t, pgx.BeginFunc(t.Context(), l.pool, func(tx pgx.Tx) error { _, err := RecordWritten(t.Context(), tx, w); return err }))
}

func TestAcceptIsIdempotentAndOrdered(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	req := newRequest(t)
	first := l.mustAccept(t, req)
	if again := l.mustAccept(t, req); again != first {
		t.Errorf("accepted again: %+v, first %+v", again, first)
	}
	// Many at once: all different, and each request one import.
	var mu sync.Mutex
	issued := map[int64]bool{first.Issued: true}
	var wg sync.WaitGroup
	for range 20 {
		req := newRequest(t)
		for range 2 {
			wg.Go(func() {
				imp, _, err := l.Accept(context.WithoutCancel(t.Context()), req, 2, "d")
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				issued[imp.Issued] = true
			})
		}
	}
	wg.Wait()
	if len(issued) != 21 {
		t.Errorf("%d different times of issue for 21 imports", len(issued))
	}
}

func TestIssuedGrowsWhenTheClockGoesBack(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	_, err := l.pool.Exec(t.Context(), `UPDATE stoker.clock SET last = now() + interval '1 day'`)
	check(t, err)
	a, b := l.mustAccept(t, newRequest(t)), l.mustAccept(t, newRequest(t))
	if b.Issued <= a.Issued || a.Issued < time.Now().Add(23*time.Hour).UnixMicro() {
		t.Errorf("issued %d and %d", a.Issued, b.Issued)
	}
}

// TestAcceptBehind: however close imports follow each other, there is room for more attempts behind each, which come before the next import.
func TestAcceptBehind(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	_, err := l.pool.Exec(t.Context(), `UPDATE stoker.clock SET last = now() + interval '1 day'`)
	check(t, err)
	first, next := l.mustAccept(t, newRequest(t)), l.mustAccept(t, newRequest(t))
	for attempt, before := 2, first; attempt <= placesEach; attempt++ {
		imp, _, err := l.AcceptBehind(t.Context(), newRequest(t), Place{First: first.ID, Attempt: attempt}, 2, "d")
		check(t, err)
		if imp.Issued <= before.Issued || imp.Issued >= next.Issued || imp.AcceptedAt() <= next.Issued {
			t.Errorf("attempt %d: issued %d, accepted %d; before it %d, then %d", attempt, imp.Issued, imp.AcceptedAt(), before.Issued, next.Issued)
		}
		before = imp
	}
	unknown, _, err := l.AcceptBehind(t.Context(), newRequest(t), Place{First: fhirmsg.ImportID{1}, Attempt: 2}, 2, "d")
	check(t, err)
	if unknown.Issued <= next.Issued || unknown.Accepted != 0 {
		t.Errorf("behind one that is not known: issued %d, accepted %d", unknown.Issued, unknown.Accepted)
	}
	// As older versions accepted one, whose clock had gone back.
	_, err = l.pool.Exec(t.Context(), `UPDATE stoker.import SET issued = (SELECT issued FROM stoker.import WHERE id = $1) + interval '1 microsecond' WHERE id = $2`,
		[16]byte(first.ID), [16]byte(next.ID))
	check(t, err)
	req := newRequest(t)
	imp, state, err := l.AcceptBehind(t.Context(), req, Place{First: first.ID, Attempt: 2}, 2, "d")
	check(t, err)
	s, err := l.Status(t.Context(), req.ID)
	check(t, err)
	if state != StateFailed || imp.Accepted != 0 || !strings.Contains(s.Reason, "no room behind") {
		t.Errorf("without room: %s, %q, accepted %d", state, s.Reason, imp.Accepted)
	}
}

// TestFailures: what failed, but for what was discarded, or what a later snapshot of the supplier has or has not.
func TestFailures(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	var ids []fhirmsg.ImportID
	for _, supplier := range []string{"a", "a", "a", "b", "a"} {
		req := newRequest(t)
		req.Supplier = supplier
		ids = append(ids, l.mustAccept(t, req).ID)
	}
	failures := func(want ...fhirmsg.ImportID) {
		t.Helper()
		got, err := l.Failures(t.Context(), ids)
		check(t, err)
		for _, id := range want {
			if got[id].IsZero() {
				t.Errorf("%s is not among %v", id, got)
			}
		}
		if len(got) != len(want) {
			t.Errorf("%d failures, want %d: %v", len(got), len(want), got)
		}
	}
	failures()
	_, err := l.pool.Exec(t.Context(), `UPDATE stoker.import SET state = 'failed', ended = clock_timestamp()`)
	check(t, err)
	failures(ids...)
	_, err = l.pool.Exec(t.Context(), `INSERT INTO stoker.discard (import, file) VALUES ($1, 0)`, [16]byte(ids[4]))
	check(t, err)
	failures(ids[:4]...)
	_, err = l.pool.Exec(t.Context(), `UPDATE stoker.import SET snapshot = '{"state":"done"}' WHERE id = $1`, [16]byte(ids[2]))
	check(t, err)
	failures(ids[2], ids[3])
}

func TestOtherModeIsRefused(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	l.mustAccept(t, newRequest(t))
	req := newRequest(t)
	req.Mode = fhirmsg.ModeSync
	_, state, err := l.Accept(t.Context(), req, 2, "d")
	check(t, err)
	s, err := l.Status(t.Context(), req.ID)
	check(t, err)
	if state != StateFailed || s.State != StateFailed || !strings.Contains(s.Reason, "mode overwrite") {
		t.Errorf("%s: %s", s.State, s.Reason)
	}
}

func TestStatementsTwiceChangeNothing(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	imp := l.fetchOne(t, 5)
	for range 2 {
		check(t, l.RecordParsed(t.Context(), []fhirmsg.Statement{parsedStatement(imp, 5, 4)}))
		l.recordWritten(t, writtenBatch(imp, "Patient", 3), writtenBatch(imp, "Observation", 1))
	}
	s, err := l.Status(t.Context(), imp.ID)
	check(t, err)
	if s.Resources.Seen != 4 || s.Resources.Inserted != 4 || s.Lines.Rejected != 1 || s.Missing != 0 || s.Divergent != 0 {
		t.Errorf("%+v", s)
	}
	// A differing statement about the same chunk is shown, never added.
	other := parsedStatement(imp, 5, 2)
	other.Fingerprint = fhirmsg.HashOf([]byte("other"))
	check(t, l.RecordParsed(t.Context(), []fhirmsg.Statement{other}))
	s, err = l.Status(t.Context(), imp.ID)
	check(t, err)
	if s.Resources.Seen != 4 || s.Divergent != 1 {
		t.Errorf("seen %d, divergent %d; want 4 and 1", s.Resources.Seen, s.Divergent)
	}
}

// TestSettleNeedsEverything: an import is not complete before its last statement is there.
func TestSettleNeedsEverything(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	imp := l.fetchOne(t, 4)
	steps := []func(){
		func() {},
		func() { l.recordWritten(t, writtenBatch(imp, "Patient", 3)) }, // before the parser's statement
		func() { check(t, l.RecordParsed(t.Context(), []fhirmsg.Statement{parsedStatement(imp, 4, 4)})) },
	}
	for i, step := range steps {
		step()
		check(t, l.NewSweeper().Sweep(t.Context()))
		if got := l.state(t, imp.ID); got != StateDraining {
			t.Fatalf("after step %d: %s, want draining", i, got)
		}
	}
	l.recordWritten(t, writtenBatch(imp, "Observation", 1))
	check(t, l.NewSweeper().Sweep(t.Context()))
	if got := l.state(t, imp.ID); got != StateComplete {
		t.Errorf("at the end: %s, want complete", got)
	}
}

// TestSettleWaitsForRejects: an import is not told to have ended before what it rejected can be read; others end, and it does
// where that takes too long.
func TestSettleWaitsForRejects(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	atEnd := func(lines, plain int64) fhirmsg.Import {
		imp := l.fetchOne(t, lines)
		check(t, l.RecordParsed(t.Context(), []fhirmsg.Statement{parsedStatement(imp, lines, plain)}))
		l.recordWritten(t, writtenBatch(imp, "Patient", plain))
		return imp
	}
	imp, never, clean := atEnd(5, 4), atEnd(5, 3), atEnd(5, 5)
	record := func(r fhirmsg.Reject) {
		r.Issues = []fhirmsg.Issue{{Severity: "error"}}
		check(t, l.RecordRejects(t.Context(), []fhirmsg.Rejects{{RejectsHeader: fhirmsg.RejectsHeader{Import: imp}, Items: []fhirmsg.Reject{r}}}))
	}
	sweeper := l.NewSweeper()
	want := func(when string, states ...State) {
		t.Helper()
		check(t, sweeper.Sweep(t.Context()))
		for i, imp := range []fhirmsg.Import{imp, never, clean} {
			if got := l.state(t, imp.ID); got != states[i] {
				t.Errorf("%s: import %d is %s, want %s", when, i, got, states[i])
			}
		}
	}
	want("without rejects", StateDraining, StateDraining, StateComplete)
	record(fhirmsg.Reject{Line: 1, Stored: true})
	want("with what was stored all the same", StateDraining, StateDraining, StateComplete)
	record(fhirmsg.Reject{Line: 2, Raw: []byte("x")})
	want("with its reject", StateComplete, StateDraining, StateComplete)
	sweeper.unlisted[never.ID] = time.Now().Add(-listing)
	want("after a long time", StateComplete, StateComplete, StateComplete)
}

// TestCompleteRacesWithTheLastBatches: the last two batches commit while the import is settled,
// again and again. It is never settled before both are there, and always after.
func TestCompleteRacesWithTheLastBatches(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	for range 30 {
		imp := l.fetchOne(t, 2)
		check(t, l.RecordParsed(t.Context(), []fhirmsg.Statement{parsedStatement(imp, 2, 2)}))
		var wg sync.WaitGroup
		for _, typ := range []string{"Patient", "Observation"} {
			wg.Go(func() {
				err := pgx.BeginFunc(t.Context(), l.pool, func(tx pgx.Tx) error {
					_, err := RecordWritten(t.Context(), tx, []Written{writtenBatch(imp, typ, 1)})
					return err
				})
				if err == nil {
					err = l.Settle(t.Context(), imp.ID)
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		watching, stop := context.WithCancel(t.Context())
		watched := make(chan struct{})
		go func() {
			defer close(watched)
			for watching.Err() == nil {
				s, err := l.Status(t.Context(), imp.ID)
				if err != nil {
					t.Error(err)
					return
				}
				if s.State == StateComplete && s.Missing != 0 {
					t.Errorf("complete with %d missing", s.Missing)
				}
			}
		}()
		wg.Wait()
		stop()
		<-watched
		// Both settled after their commit, so the later one saw both.
		if got := l.state(t, imp.ID); got != StateComplete {
			t.Fatalf("after both: %s, want complete without any sweep", got)
		}
	}
}

func TestFailedFileFailsTheImport(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	imp := l.mustAccept(t, newRequest(t))
	check(t, l.PinFiles(t.Context(), imp.ID, []File{
		{Index: 0, Name: "a", Locator: json.RawMessage(`{}`), State: "waiting", Size: -1},
		{Index: 1, Name: "b", Locator: json.RawMessage(`{}`), State: "waiting", Size: -1},
	}, []SkippedFile{{Name: "c", Reason: "other ending"}}))
	_, err := l.BeginFetch(t.Context(), imp.ID)
	check(t, err)
	check(t, l.CloseFile(t.Context(), imp.ID, 0, ""))
	check(t, l.CloseList(t.Context(), imp.ID))
	if got := l.state(t, imp.ID); got != StateFetching {
		t.Errorf("with a file open: %s, want fetching", got)
	}
	check(t, l.CloseFile(t.Context(), imp.ID, 1, "HTTP 404"))
	check(t, l.CloseList(t.Context(), imp.ID))
	check(t, l.NewSweeper().Sweep(t.Context()))
	s, err := l.Status(t.Context(), imp.ID)
	check(t, err)
	if s.State != StateFailed || s.Reason != "1 of 2 files failed" || s.Files[1].Reason != "HTTP 404" || len(s.Skipped) != 1 {
		t.Errorf("%+v", s)
	}
}

// TestParsedChunkWasFetched: a fetcher was killed between publishing a chunk and stating it, and
// the file was gone when the next one came. The books balance all the same.
func TestParsedChunkWasFetched(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	imp := l.fetchOne(t, 5)
	unstated := parsedStatement(imp, 3, 3)
	unstated.Offset = 10
	check(t, l.RecordParsed(t.Context(), []fhirmsg.Statement{parsedStatement(imp, 5, 5), unstated}))
	l.recordWritten(t, writtenBatch(imp, "Patient", 8))
	check(t, l.NewSweeper().Sweep(t.Context()))
	s, err := l.Status(t.Context(), imp.ID)
	check(t, err)
	if s.State != StateComplete || s.Lines.Read != 8 || s.Missing != 0 {
		t.Errorf("%s, lines %+v, missing %d", s.State, s.Lines, s.Missing)
	}
}

func TestResumePointStopsAtAGap(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	imp := l.mustAccept(t, newRequest(t))
	check(t, l.PinFiles(t.Context(), imp.ID, []File{{Locator: json.RawMessage(`{}`), State: "waiting"}}, nil))
	chunks := []Fetched{{Offset: 0, Length: 10, Lines: 2}, {Offset: 10, Length: 5, Lines: 1}, {Offset: 20, Length: 5, Lines: 1}}
	_, err := l.RecordFetched(t.Context(), imp.ID, 0, 25, chunks)
	check(t, err)
	offset, lines, err := l.ResumePoint(t.Context(), imp.ID, 0)
	if err != nil || offset != 15 || lines != 3 {
		t.Errorf("resume at %d after %d lines (%v), want 15 after 3", offset, lines, err)
	}
}

func TestOperators(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	imp := l.mustAccept(t, newRequest(t))
	check(t, l.Pause(t.Context(), imp.ID))
	if err := l.Pause(t.Context(), imp.ID); !errors.Is(err, ErrState) {
		t.Errorf("pausing what is paused: %v, want ErrState", err)
	}
	if state, err := l.BeginFetch(t.Context(), imp.ID); err != nil || state != StatePaused {
		t.Errorf("fetching what is paused: %s, %v", state, err)
	}
	req, publish, err := l.Resume(t.Context(), imp.ID)
	if err != nil || !publish || req.Attempt != 1 || req.ID != imp.ID {
		t.Errorf("resume: %+v, %v, %v", req, publish, err)
	}
	check(t, l.Cancel(t.Context(), imp.ID))
	if _, _, err := l.Resume(t.Context(), imp.ID); !errors.Is(err, ErrState) {
		t.Errorf("resuming what is cancelled: %v, want ErrState", err)
	}
	if err := l.Cancel(t.Context(), fhirmsg.ImportID{1}); !errors.Is(err, ErrNotFound) {
		t.Errorf("cancelling what is not there: %v, want ErrNotFound", err)
	}
}

func TestRejects(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	imp := l.fetchOne(t, 3)
	group := fhirmsg.Rejects{RejectsHeader: fhirmsg.RejectsHeader{Import: imp}, Items: []fhirmsg.Reject{
		{Line: 3, Offset: 30, Raw: []byte("\xff\x00"), Issues: []fhirmsg.Issue{{Severity: "error", Code: "structure", Diagnostics: "not UTF-8"}}},
		{Line: 1, Entry: -2, Raw: []byte(`{"request":{}}`), Issues: []fhirmsg.Issue{{Severity: "error", Code: "not-supported", Diagnostics: "PATCH"}}},
	}}
	for range 2 {
		check(t, l.RecordRejects(t.Context(), []fhirmsg.Rejects{group}))
	}
	var lines, outcomes []string
	check(t, l.Rejects(t.Context(), imp.ID, func(r RejectRow) error {
		o, err := r.OperationOutcome()
		lines, outcomes = append(lines, string(r.Text())), append(outcomes, string(o))
		return err
	}))
	if want := `{"resourceType":"Bundle","type":"batch","entry":[{"request":{}}]}`; len(lines) != 2 || lines[0] != want || lines[1] != "\xff\x00" {
		t.Errorf("lines %q", lines)
	}
	for _, want := range []string{`"diagnostics":"a, line 1, entry 2: PATCH"`, `"details":{"text":"PATCH"}`, `"code":"not-supported"`} {
		if !strings.Contains(outcomes[0], want) {
			t.Errorf("%s lacks %s", outcomes[0], want)
		}
	}
}

// TestRowIsMadeAgain: after a restore, a message is enough to make its import's row again.
func TestRowIsMadeAgain(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	imp := fhirmsg.Import{ID: fhirmsg.ImportID{7}, Issued: time.Now().Add(time.Hour).UnixMicro(), Supplier: "a", Dataset: "d", Mode: fhirmsg.ModeSync, FHIRVersion: "4.0.1"}
	check(t, pgx.BeginFunc(t.Context(), l.pool, func(tx pgx.Tx) error {
		_, err := EnsureImport(t.Context(), tx, imp.Dataset, []fhirmsg.Import{imp})
		return err
	}))
	s, err := l.Status(t.Context(), imp.ID)
	check(t, err)
	if s.Dataset != "d" || s.Mode != fhirmsg.ModeSync {
		t.Errorf("%+v", s)
	}
	if next := l.mustAccept(t, newRequest(t)); next.Issued <= imp.Issued {
		t.Errorf("the next import is issued at %d, before %d", next.Issued, imp.Issued)
	}
}

// TestUnstorable: a request that PostgreSQL cannot hold is told from one that may be accepted later.
func TestUnstorable(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	req := newRequest(t)
	req.Sources[0].Type = "hunter2\x00"
	if _, _, err := l.Accept(t.Context(), req, 2, "d"); !errors.Is(err, ErrUnstorable) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("accepted, %v", err)
	}
	if _, err := l.Refuse(t.Context(), req, 2, "no"); !errors.Is(err, ErrUnstorable) {
		t.Errorf("refused, %v", err)
	}
}
