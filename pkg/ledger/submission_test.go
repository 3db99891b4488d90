package ledger

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// submissions is a supplier that submits.
type submissions struct {
	*Ledger
	t *testing.T
}

// submit is a request of submission "s" with limits that do not count.
func submit(change func(*Submit)) Submit {
	s := Submit{SubmissionKey: SubmissionKey{"clinic", "https://a/submitters", "a", "s"}, Dataset: "clinic", MaxOpen: 10, MaxManifests: 10}
	change(&s)
	s.Import = fhirmsg.ImportRequest{Supplier: s.Supplier, Dataset: s.Dataset, Sources: []fhirmsg.Source{{Manifest: s.Manifest}}}
	return s
}

func adds(url string) Submit { return submit(func(s *Submit) { s.Manifest = url }) }

func says(state SubmissionState) Submit { return submit(func(s *Submit) { s.State = state }) }

func replaces(old, url string) Submit {
	return submit(func(s *Submit) { s.Replaces, s.Manifest = old, url })
}

func (l submissions) do(s Submit, want error) {
	l.t.Helper()
	if _, _, err := l.Submit(l.t.Context(), s); !errors.Is(err, want) || want == nil && err != nil {
		l.t.Errorf("%s %q for %q: %v, want %v", s.State, s.Manifest, s.Replaces, err, want)
	}
}

// keep turns a dataset's history on.
func (l submissions) keep(dataset string) {
	l.t.Helper()
	check(l.t, pgx.BeginFunc(l.t.Context(), l.pool, func(tx pgx.Tx) error { return BeginHistory(l.t.Context(), tx, dataset) }))
}

// queueable are the manifests that wait for the queue.
func (l submissions) queueable() (urls []string) {
	l.t.Helper()
	list, err := l.Queueables(l.t.Context(), fhirmsg.ImportID{}, 100)
	check(l.t, err)
	for _, q := range list {
		urls = append(urls, q.Request.Sources[0].Manifest)
	}
	return urls
}

func (l submissions) withdrawn() (imports []fhirmsg.ImportID) {
	l.t.Helper()
	list, err := l.Withdrawals(l.t.Context())
	check(l.t, err)
	for _, w := range list {
		imports = append(imports, w.Import)
	}
	return imports
}

// TestSubmission follows one from its first manifest to its end, with every request sent twice.
func TestSubmission(t *testing.T) {
	t.Parallel()
	l := submissions{newLedger(t), t}
	l.do(says(SubmissionCompleted), ErrNoSubmission)
	l.do(says(SubmissionStopped), ErrNoSubmission)
	l.do(replaces("a", "b"), ErrNoSubmission)
	for _, url := range []string{"a", "b", "a", "b"} {
		l.do(adds(url), nil)
	}
	if got := l.queueable(); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("to queue: %v", got)
	}
	l.do(replaces("none", "c"), ErrNoManifest)
	if got := l.queueable(); len(got) != 2 {
		t.Errorf("a refused request had an effect: %v", got)
	}
	for range 2 {
		l.do(replaces("a", "c"), nil)
	}
	l.do(replaces("a", "d"), ErrReplaced)
	l.do(replaces("a", ""), ErrReplaced)
	l.do(adds("a"), ErrReplaced)
	l.do(replaces("b", "c"), nil) // c takes the place of both
	if got := l.queueable(); !slices.Equal(got, []string{"c"}) {
		t.Errorf("to queue: %v", got)
	}
	key := adds("a").SubmissionKey
	for _, url := range []string{"a", "b"} {
		if got := l.withdrawn(); !slices.Equal(got, []fhirmsg.ImportID{key.ImportOf(url)}) {
			t.Errorf("to undo: %v", got)
		}
		check(t, l.Undone(t.Context(), key.ImportOf(url), 1, 2, ""))
	}
	check(t, l.Queued(t.Context(), key.ImportOf("c")))
	for range 2 {
		l.do(says(SubmissionCompleted), nil)
	}
	l.do(adds("c"), nil) // late, and done before
	l.do(adds("d"), ErrSubmissionClosed)
	l.do(says(SubmissionStopped), ErrSubmissionClosed)
	l.do(says(SubmissionOpen), ErrSubmissionClosed)
	l.do(submit(func(s *Submit) { s.Dataset, s.Manifest = "other", "c" }), ErrOtherDataset)

	sub, err := l.Submission(t.Context(), key.ID())
	check(t, err)
	if sub.State != SubmissionCompleted || sub.SubmissionKey != key || sub.Watched || sub.Draft {
		t.Errorf("%+v", sub)
	}
	got, err := l.Manifests(t.Context(), key.ID())
	check(t, err)
	want := []Submitted{
		{Import: key.ImportOf("a"), Manifest: "a", Withdrawn: true, Replacement: "c", Undone: true, Removed: 1, Restored: 2},
		{Import: key.ImportOf("b"), Manifest: "b", Withdrawn: true, Replacement: "c", Undone: true, Removed: 1, Restored: 2},
		{Import: key.ImportOf("c"), Manifest: "c"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("manifests (-want +got):\n%s", diff)
	}
	if got[2].Settled() || !got[0].Settled() {
		t.Error("a manifest that nobody has imported is settled, or one that was undone is not")
	}
}

// TestStoppedSubmission: all of it is to be undone, whether it was queued or not, and nothing is queued any more.
func TestStoppedSubmission(t *testing.T) {
	t.Parallel()
	l := submissions{newLedger(t), t}
	l.keep("clinic")
	l.do(adds("a"), nil)
	key := adds("a").SubmissionKey
	req := adds("a").Import
	req.ID = key.ImportOf("a")
	l.mustAccept(t, req)
	check(t, l.Queued(t.Context(), req.ID))
	l.do(adds("b"), nil)
	for range 2 {
		l.do(says(SubmissionStopped), nil)
	}
	l.do(adds("a"), ErrSubmissionClosed)
	if got := l.queueable(); len(got) > 0 {
		t.Errorf("to queue: %v", got)
	}
	check(t, l.Postpone(t.Context(), key.ImportOf("a")))
	for _, url := range []string{"b", "a"} {
		if got := l.withdrawn(); !slices.Equal(got, []fhirmsg.ImportID{key.ImportOf(url)}) {
			t.Errorf("to undo: %v, want %s", got, url)
		}
		check(t, l.Undone(t.Context(), key.ImportOf(url), 0, 0, ""))
	}
}

// TestReplaceNeedsHistory: what was imported when its dataset kept no history cannot be replaced.
func TestReplaceNeedsHistory(t *testing.T) {
	t.Parallel()
	l := submissions{newLedger(t), t}
	l.do(adds("a"), nil)
	req := adds("a").Import
	req.ID = adds("a").ImportOf("a")
	l.mustAccept(t, req)
	l.do(replaces("a", "b"), ErrNoHistory)
	l.keep("clinic") // after it
	l.do(replaces("a", "b"), ErrNoHistory)
	l.do(adds("b"), nil)
	req.ID = adds("b").ImportOf("b")
	l.mustAccept(t, req)
	l.do(replaces("b", "c"), nil)
	for range 2 {
		l.do(replaces("c", ""), nil) // and nothing in its place
	}
	l.do(replaces("c", "d"), ErrReplaced)
}

// TestSubmissionLimits: and what is of one supplier, or submitter, is none of another's.
func TestSubmissionLimits(t *testing.T) {
	t.Parallel()
	l := submissions{newLedger(t), t}
	few := func(name, supplier, url string) Submit {
		return submit(func(s *Submit) {
			s.Name, s.Supplier, s.Manifest, s.MaxOpen, s.MaxManifests = name, supplier, url, 2, 2
		})
	}
	l.do(few("1", "clinic", "a"), nil)
	l.do(few("1", "clinic", "b"), nil)
	l.do(few("1", "clinic", "c"), ErrManyManifests)
	l.do(few("2", "clinic", "a"), nil)
	l.do(few("3", "clinic", "a"), ErrManySubmissions)
	l.do(few("3", "other", "a"), nil)
	l.do(submit(func(s *Submit) { s.Name, s.State = "1", SubmissionCompleted }), nil)
	l.do(few("3", "clinic", "a"), nil)

	ids := map[fhirmsg.ImportID]bool{}
	for _, k := range []SubmissionKey{{"a", "b", "c", "d"}, {"a", "b", "d", "c"}, {"a", "", "b", "c"}, {"b", "b", "c", "d"}} {
		ids[k.ID()], ids[k.ImportOf("x")], ids[k.ImportOf("y")] = true, true, true
	}
	if len(ids) != 12 {
		t.Errorf("%d ids, want 12", len(ids))
	}
}

// TestQueueablesOfEach: of each supplier some, so that one with many keeps nobody waiting.
func TestQueueablesOfEach(t *testing.T) {
	t.Parallel()
	l := submissions{newLedger(t), t}
	for _, url := range []string{"a", "b", "c"} {
		l.do(adds(url), nil)
	}
	l.do(submit(func(s *Submit) { s.Supplier, s.Dataset, s.Manifest = "other", "other", "d" }), nil)
	l.keep("other")
	list, err := l.Queueables(t.Context(), fhirmsg.ImportID{}, 1)
	check(t, err)
	var got []string
	for _, q := range list {
		got = append(got, q.Request.Sources[0].Manifest)
		if q.History != (q.Dataset == "other") {
			t.Errorf("%s keeps a history: %v", q.Dataset, q.History)
		}
	}
	if !slices.Equal(got, []string{"a", "d"}) {
		t.Errorf("one of each: %v", got)
	}
	if list, err = l.Queueables(t.Context(), adds("a").ID(), 2); err != nil || len(list) != 2 {
		t.Errorf("of one submission: %d, %v", len(list), err)
	}
}

// TestSubmitRaces: of requests at the same time each has its effect once.
func TestSubmitRaces(t *testing.T) {
	t.Parallel()
	l := submissions{newLedger(t), t}
	var wg sync.WaitGroup
	for range 4 {
		for _, url := range []string{"a", "b", "c"} {
			wg.Go(func() { l.do(adds(url), nil) })
		}
	}
	wg.Wait()
	got := l.queueable()
	slices.Sort(got)
	if !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("%v", got)
	}
}

func TestWatch(t *testing.T) {
	t.Parallel()
	l := submissions{newLedger(t), t}
	id := adds("a").ID()
	if err := l.Watch(t.Context(), id, true); !errors.Is(err, ErrNoSubmission) {
		t.Errorf("none: %v", err)
	}
	l.do(submit(func(s *Submit) { s.Manifest, s.Draft = "a", true }), nil)
	for _, want := range []bool{true, true, false} {
		check(t, l.Watch(t.Context(), id, want))
		if s, err := l.Submission(t.Context(), id); err != nil || s.Watched != want || !s.Draft {
			t.Errorf("%+v, %v", s, err)
		}
	}
}

// TestReportParts: parts hold every row once, in order, and count the issues of their rows.
func TestReportParts(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	imp := l.fetchOne(t, 10)
	rejects := fhirmsg.Rejects{RejectsHeader: fhirmsg.RejectsHeader{Import: imp}}
	for line := range int64(5) {
		rejects.Items = append(rejects.Items, fhirmsg.Reject{Line: line + 1, Raw: []byte("x"), Issues: []fhirmsg.Issue{{Severity: "error"}}})
	}
	for line := range int64(3) {
		rejects.Items = append(rejects.Items, fhirmsg.Reject{Line: line + 6, Stored: true, Issues: []fhirmsg.Issue{{Severity: "error"}, {Severity: "warning"}}})
	}
	check(t, l.RecordRejects(t.Context(), []fhirmsg.Rejects{rejects}))
	got, err := l.ReportParts(t.Context(), imp.ID, 2)
	check(t, err)
	want := []ReportPart{
		{false, 0, 2, map[string]int64{"error": 2}}, {false, 1, 2, map[string]int64{"error": 2}}, {false, 2, 1, map[string]int64{"error": 1}},
		{true, 0, 2, map[string]int64{"error": 2, "warning": 2}}, {true, 1, 1, map[string]int64{"error": 1, "warning": 1}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("parts (-want +got):\n%s", diff)
	}
	var lines []int64
	for _, p := range got {
		n := int64(0)
		check(t, l.EachOfPart(t.Context(), imp.ID, p.Stored, p.Index, 2, func(r RejectRow) error {
			lines, n = append(lines, r.Line), n+1
			return nil
		}))
		if n != p.Rows {
			t.Errorf("%+v has %d rows", p, n)
		}
	}
	if !slices.Equal(lines, []int64{1, 2, 3, 4, 5, 6, 7, 8}) {
		t.Errorf("lines %v", lines)
	}
}

// TestIsReported: an import may have ended before what was found in it is in the ledger, which is waited for, and not for ever.
func TestIsReported(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	imp := l.fetchOne(t, 2)
	s := parsedStatement(imp, 2, 1)
	s.Rejected, s.Issues = 1, 1
	check(t, l.RecordParsed(t.Context(), []fhirmsg.Statement{s}))
	l.recordWritten(t, writtenBatch(imp, "Patient", 1))
	counts, err := l.FileCounts(t.Context(), imp.ID)
	if check(t, err); len(counts) != 1 || counts[0] != (FileCounts{Stored: 1, Rejected: 1}) || counts[0].String() != "1 resources stored, 1 rejected" {
		t.Errorf("counts of files: %v", counts)
	}
	check(t, l.Settle(t.Context(), imp.ID))
	if state := l.state(t, imp.ID); state != StateComplete {
		t.Fatalf("the import is %s", state)
	}
	want := func(what string, want bool) {
		t.Helper()
		if got, err := l.IsReported(t.Context(), imp.ID); err != nil || got != want {
			t.Errorf("%s: %v, %v", what, got, err)
		}
	}
	ended := func(ago time.Duration) {
		t.Helper()
		_, err := l.pool.Exec(context.WithoutCancel(t.Context()), `UPDATE stoker.import SET ended = clock_timestamp() - $2::interval WHERE id = $1`, [16]byte(imp.ID), ago)
		check(t, err)
	}
	want("nothing", false)
	ended(time.Hour)
	want("nothing, long ago", true)
	ended(0)
	record := func(r fhirmsg.Reject) {
		t.Helper()
		check(t, l.RecordRejects(t.Context(), []fhirmsg.Rejects{{RejectsHeader: fhirmsg.RejectsHeader{Import: imp}, Items: []fhirmsg.Reject{r}}}))
	}
	record(fhirmsg.Reject{Line: 1, Raw: []byte("x"), Issues: []fhirmsg.Issue{{Severity: "error"}}})
	want("the rejects", false)
	ended(time.Minute)
	want("the rejects, a minute ago", true)
	ended(0)
	record(fhirmsg.Reject{Line: 2, Stored: true, Issues: []fhirmsg.Issue{{Severity: "warning"}}})
	want("all", true)
}
