package store

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// snapshot makes an import of supplier "local" that says that it has all.
func (f *fixture) snapshot(req fhirmsg.ImportRequest) fhirmsg.Import {
	f.t.Helper()
	id, err := fhirmsg.NewImportID(time.Now(), rand.Reader)
	if err != nil {
		f.t.Fatal(err)
	}
	yes := true
	req.ID, req.Snapshot, req.Sources = id, &yes, []fhirmsg.Source{{Path: "/x"}}
	imp, state, err := f.ledger.Accept(f.t.Context(), req, 3, "")
	if err != nil || state != ledger.StateAccepted || !imp.Snapshot {
		f.t.Fatalf("accept: %s, %v", state, err)
	}
	return imp
}

// drain states an import as fetched and parsed, so that all of it is what was written and these rejects.
func (f *fixture) drain(imp fhirmsg.Import, file ledger.File, rejects ...fhirmsg.Reject) {
	f.t.Helper()
	ctx, l := f.t.Context(), f.ledger
	must := func(err error) {
		f.t.Helper()
		if err != nil {
			f.t.Fatal(err)
		}
	}
	var written int64
	must(f.pool.QueryRow(ctx, `SELECT coalesce(sum(length(outcomes)), 0) FROM stoker.written WHERE import = $1`, [16]byte(imp.ID)).Scan(&written))
	file.Name, file.Locator, file.Size = "a", json.RawMessage(`{}`), -1
	if file.State == "" {
		file.State = "waiting"
	}
	var skipped []ledger.SkippedFile
	if file.Type == "skips" {
		skipped = []ledger.SkippedFile{{Name: ".x", Reason: "hidden"}, {Name: "_SUCCESS", Reason: "ending"}, {Name: "b.ndjson.bz2", Reason: "its ending"}}
	}
	must(l.PinFiles(ctx, imp.ID, []ledger.File{file}, skipped))
	_, err := l.BeginFetch(ctx, imp.ID)
	must(err)
	lines := written + int64(len(rejects))
	_, err = l.RecordFetched(ctx, imp.ID, 0, 1, []ledger.Fetched{{Length: 1, Lines: lines}})
	must(err)
	must(l.RecordParsed(ctx, []fhirmsg.Statement{{Import: imp, Place: fhirmsg.Place{Length: 1}, Lines: lines, Plain: written, Rejected: int64(len(rejects))}}))
	must(l.RecordRejects(ctx, []fhirmsg.Rejects{{RejectsHeader: fhirmsg.RejectsHeader{Import: imp}, Items: rejects}}))
	must(l.CloseFile(ctx, imp.ID, 0, ""))
	must(l.CloseList(ctx, imp.ID))
}

// decide decides the step of a snapshot, and returns how it stands and what it deletes.
func (f *fixture) decide(imp fhirmsg.Import) (s ledger.Snapshot, deletes []string) {
	f.t.Helper()
	if err := DecideSnapshot(f.t.Context(), f.pool, imp.ID); err != nil {
		f.t.Fatal(err)
	}
	status, err := f.ledger.Status(f.t.Context(), imp.ID)
	if err != nil || status.Snapshot == nil {
		f.t.Fatalf("status %+v, %v", status, err)
	}
	for {
		b, err := f.ledger.NextAbsent(f.t.Context(), imp.ID)
		if err != nil {
			f.t.Fatal(err)
		}
		if b == nil {
			break
		}
		for r, err := range b.Records() {
			if err != nil || !r.Deleted {
				f.t.Fatalf("record %+v, %v", r, err)
			}
			deletes = append(deletes, string(r.ID))
		}
		f.write(*b)
		if err := f.ledger.AbsentPublished(f.t.Context(), *b); err != nil {
			f.t.Fatal(err)
		}
	}
	slices.Sort(deletes)
	return *status.Snapshot, deletes
}

// many are resources a to t, so that one is 5 % of them.
func many(without string) (list []res) {
	for c := 'a'; c <= 't'; c++ {
		if !strings.ContainsRune(without, c) {
			list = append(list, res{id: string(c), content: "1"})
		}
	}
	return list
}

// TestSnapshot: what a snapshot lacks is deleted, and nothing else is; where it cannot be known, nothing.
func TestSnapshot(t *testing.T) {
	t.Parallel()
	overwrite := fhirmsg.ImportRequest{}
	sync := fhirmsg.ImportRequest{Mode: fhirmsg.ModeSync}
	rejected := func(typ, id string) fhirmsg.Reject { return fhirmsg.Reject{Line: 900, Type: typ, ID: id} }
	for name, tt := range map[string]struct {
		req     fhirmsg.ImportRequest
		before  []res // of an earlier import of the supplier; nil: a to t
		has     []res
		late    func(f *fixture, before, imp fhirmsg.Import) // comes before the step, after has
		file    ledger.File
		rejects []fhirmsg.Reject

		state   ledger.SnapshotState
		reason  string
		deletes string
		newer   int64
	}{
		"lacks one of twenty":       {has: many("c"), state: ledger.SnapshotDeleting, deletes: "c"},
		"lacks none":                {has: many(""), state: ledger.SnapshotApplied},
		"lacks more than 5 %":       {has: many("cd"), state: ledger.SnapshotRefused, reason: "lacks 2 of the 20"},
		"as many as it may":         {req: fhirmsg.ImportRequest{MaxDeletes: "2"}, has: many("cd"), state: ledger.SnapshotDeleting, deletes: "c d"},
		"new ones are none of 20":   {has: append(many("cd"), many("")[0], res{id: "x1", content: "1"}, res{id: "x2", content: "1"}, res{id: "x3", content: "1"}, res{id: "x4", content: "1"}, res{id: "x5", content: "1"}, res{id: "x6", content: "1"}), state: ledger.SnapshotRefused, reason: "of the 20"},
		"no limit":                  {req: fhirmsg.ImportRequest{MaxDeletes: "off"}, has: many("abcdefghijk"), state: ledger.SnapshotDeleting, deletes: "a b c d e f g h i j k"},
		"another type":              {req: fhirmsg.ImportRequest{SnapshotTypes: []string{"Observation"}}, has: many("cd"), state: ledger.SnapshotApplied},
		"this type":                 {req: fhirmsg.ImportRequest{SnapshotTypes: []string{"Patient"}}, has: many("d"), state: ledger.SnapshotDeleting, deletes: "d"},
		"rejected with a key":       {has: many("cd"), rejects: []fhirmsg.Reject{rejected("Patient", "d")}, state: ledger.SnapshotDeleting, deletes: "c"},
		"rejected, another type":    {has: many("cd"), rejects: []fhirmsg.Reject{rejected("Group", "d")}, state: ledger.SnapshotRefused},
		"rejected without a key":    {has: many("c"), rejects: []fhirmsg.Reject{rejected("Patient", "")}, state: ledger.SnapshotNotApplied, reason: "1 rejected lines"},
		"a Bundle was rejected":     {has: many("c"), rejects: []fhirmsg.Reject{rejected("Bundle", "b")}, state: ledger.SnapshotNotApplied, reason: "1 rejected lines"},
		"a file failed":             {has: many("c"), file: ledger.File{State: "failed"}, state: ledger.SnapshotNotApplied, reason: "1 of 1 files failed"},
		"a file was not taken":      {has: many("c"), file: ledger.File{Type: "skips"}, state: ledger.SnapshotNotApplied, reason: "b.ndjson.bz2"},
		"fewer than its manifest":   {has: many("c"), file: ledger.File{Count: new(int64(30))}, state: ledger.SnapshotNotApplied, reason: "another number"},
		"the export had errors":     {has: many("c"), file: ledger.File{Kind: ledger.KindOutcome}, state: ledger.SnapshotNotApplied, reason: "reports 19 outcomes"},
		"nothing delivered":         {req: fhirmsg.ImportRequest{MaxDeletes: "off"}, state: ledger.SnapshotNotApplied, reason: "no resource"},
		"deleted by a line":         {req: fhirmsg.ImportRequest{MaxDeletes: "1"}, has: append(many("cd"), res{id: "d", deleted: true}), state: ledger.SnapshotDeleting, deletes: "c"},
		"a part, and it was a part": {before: append(many("c"), res{id: "c", content: "1", subsetted: true}), has: append(many("c"), res{id: "c", content: "1", subsetted: true}), state: ledger.SnapshotApplied},
		"a part, and it was whole":  {has: append(many("c"), res{id: "c", content: "1", subsetted: true}), state: ledger.SnapshotApplied},
		"a part that gives way": {before: many("c"), has: append(many("c"), res{id: "c", content: "1", subsetted: true}), state: ledger.SnapshotApplied,
			late: func(f *fixture, before, _ fhirmsg.Import) { f.write(batchOf(before, res{id: "c", content: "1"})) }},
		"sync: older at its source": {req: sync, before: []res{{id: "a", content: "1", stamp: 50}}, has: []res{{id: "a", content: "0", stamp: 40}}, state: ledger.SnapshotApplied},
		"sync: gives way": {req: sync, before: []res{{id: "b", content: "1", stamp: 50}}, has: []res{{id: "a", content: "0", stamp: 40}, {id: "b", content: "1", stamp: 50}}, state: ledger.SnapshotApplied,
			late: func(f *fixture, before, _ fhirmsg.Import) {
				f.write(batchOf(before, res{id: "a", content: "1", stamp: 60}))
			}},
		"sync: lacks": {req: fhirmsg.ImportRequest{Mode: fhirmsg.ModeSync, MaxDeletes: "1"}, before: []res{{id: "a", content: "1", stamp: 50}, {id: "b", content: "1", stamp: 50}},
			has: []res{{id: "b", content: "1", stamp: 50}}, state: ledger.SnapshotDeleting, deletes: "a"},
		"sync: changed after it was taken": {req: fhirmsg.ImportRequest{Mode: fhirmsg.ModeSync, AsOf: new(time.UnixMicro(45)), MaxDeletes: "off"},
			before: []res{{id: "a", content: "1", stamp: 50}, {id: "b", content: "1", stamp: 40}, {id: "c", content: "1", stamp: 40}},
			has:    []res{{id: "b", content: "1", stamp: 40}}, state: ledger.SnapshotDeleting, deletes: "c", newer: 1},
		"a later import has it": {req: overwrite, has: many("cd"), state: ledger.SnapshotDeleting, deletes: "c",
			late: func(f *fixture, _, _ fhirmsg.Import) {
				f.write(batchOf(f.accept(fhirmsg.ModeOverwrite), res{id: "d", content: "1"}))
			}},
		"another supplier's": {req: fhirmsg.ImportRequest{MaxDeletes: "1"}, has: many("cd"), state: ledger.SnapshotDeleting, deletes: "c", before: many("d"),
			late: func(f *fixture, _, _ fhirmsg.Import) {
				other := f.acceptOf("other")
				f.write(batchOf(other, res{id: "d", content: "1"}, res{id: "e2", content: "1"}))
			}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			mode := tt.req.Mode
			if mode == "" {
				mode = fhirmsg.ModeOverwrite
			}
			before := f.accept(mode)
			if tt.before == nil {
				tt.before = many("")
			}
			f.write(batchOf(before, tt.before...))
			imp := f.snapshot(tt.req)
			if len(tt.has) > 0 {
				f.write(batchOf(imp, tt.has...))
			}
			if tt.late != nil {
				tt.late(f, before, imp)
			}
			f.drain(imp, tt.file, tt.rejects...)
			if s, _ := f.decide(imp); s.State != ledger.SnapshotPending || !strings.Contains(s.Reason, before.ID.String()) {
				t.Fatalf("before the earlier import has ended: %s (%s)", s.State, s.Reason)
			}
			f.end(before)
			s, deletes := f.decide(imp)
			if s.State != tt.state || !strings.Contains(s.Reason, tt.reason) || strings.Join(deletes, " ") != tt.deletes || s.Newer != tt.newer {
				t.Errorf("%s (%s), deletes %v, newer %d; want %s (%s), %s, %d", s.State, s.Reason, deletes, s.Newer, tt.state, tt.reason, tt.deletes, tt.newer)
			}
			if _, again := f.decide(imp); len(again) > 0 {
				t.Errorf("decided again it deletes %v", again)
			}
			rows := f.rows()
			for _, id := range deletes {
				if rows[id] != "deleted" {
					t.Errorf("%s is %s", id, rows[id])
				}
			}
			if err := f.ledger.EndSnapshot(t.Context(), imp.ID); err != nil {
				t.Fatal(err)
			}
			if err := f.ledger.Settle(t.Context(), imp.ID); err != nil {
				t.Fatal(err)
			}
			status, err := f.ledger.Status(t.Context(), imp.ID)
			if err != nil || !status.State.Ended() || status.Missing != 0 || status.Resources.Seen != status.Resources.Total() || status.Snapshot.Deleted != int64(len(deletes)) {
				t.Errorf("account: %s, missing %d, %+v, snapshot %+v, %v", status.State, status.Missing, status.Resources, status.Snapshot, err)
			}
		})
	}
}

// TestSnapshotComesAgain: what a snapshot deleted lives again when a later delivery has it, in mode sync also as it was.
func TestSnapshotComesAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	before := f.accept(fhirmsg.ModeSync)
	f.write(batchOf(before, res{id: "a", content: "1", stamp: 10}, res{id: "b", content: "1", stamp: 10}))
	f.end(before)
	imp := f.snapshot(fhirmsg.ImportRequest{Mode: fhirmsg.ModeSync, MaxDeletes: "off"})
	f.write(batchOf(imp, res{id: "a", content: "1", stamp: 10}))
	f.drain(imp, ledger.File{})
	if _, deletes := f.decide(imp); strings.Join(deletes, " ") != "b" {
		t.Fatalf("deletes %v", deletes)
	}
	f.write(batchOf(before, res{id: "b", content: "1", stamp: 10})) // its own message again
	f.wantRows(map[string]string{"a": "1", "b": "deleted"})
	f.write(batchOf(f.accept(fhirmsg.ModeSync), res{id: "b", content: "1", stamp: 10}))
	f.wantRows(map[string]string{"a": "1", "b": "1"})
}

// TestSnapshotPlan: rows of a supplier, and rejects and keys of an import, that the statistics know nothing of are not
// compared each with each.
func TestSnapshotPlan(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	before := f.accept(fhirmsg.ModeSync)
	f.write(batchOf(before, res{id: "a", content: "1", stamp: 10}))
	f.end(before)
	imp := f.snapshot(fhirmsg.ImportRequest{Mode: fhirmsg.ModeSync})
	for _, sql := range []string{
		`INSERT INTO fhir.patient (id, resource, supplier, issued) SELECT 'o' || i, '{}', 'other', now() FROM generate_series(1, 5000) i`,
		`INSERT INTO stoker.mentioned SELECT md5((i % 50)::text)::uuid, 'Patient', i::text FROM generate_series(1, 5000) i`,
		`INSERT INTO stoker.reject SELECT md5((i % 50)::text)::uuid, 0, i, 0, 0, 'Patient', i::text, '[]', '', false FROM generate_series(1, 5000) i`,
		`ANALYZE fhir.patient, stoker.mentioned, stoker.reject`,
	} {
		if _, err := f.pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	tx, err := f.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(t.Context()) }()
	if err := joinByHash(t.Context(), tx); err != nil {
		t.Fatal(err)
	}
	condition, args := absent(&ledger.SnapshotStep{Import: imp}, "Patient")
	rows, err := tx.Query(t.Context(), `EXPLAIN SELECT FROM fhir.patient t WHERE t.stamp < $5 AND`+condition, args...)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	if text := strings.Join(plan, "\n"); strings.Contains(text, "Nested Loop") || strings.Count(text, " Join ") < 2 {
		t.Errorf("the plan compares each row with each key:\n%s", text)
	}
}

// TestMentionedIsForgotten: what is kept of a snapshot goes with its cancellation, and stays while it may be decided.
func TestMentionedIsForgotten(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	cancelled := f.snapshot(fhirmsg.ImportRequest{Mode: fhirmsg.ModeSync})
	pending := f.snapshot(fhirmsg.ImportRequest{Mode: fhirmsg.ModeSync})
	discarded := f.snapshot(fhirmsg.ImportRequest{Mode: fhirmsg.ModeSync})
	for i, imp := range []fhirmsg.Import{cancelled, pending, discarded} {
		f.write(batchOf(imp, res{id: fmt.Sprint("a", i), content: "1", stamp: 10}, res{id: fmt.Sprint("b", i), content: "1", stamp: 10}))
	}
	if err := f.ledger.Cancel(t.Context(), cancelled.ID); err != nil {
		t.Fatal(err)
	}
	f.end(discarded)
	f.discard(discarded, "")
	for range 2 {
		if err := f.ledger.SweepMentioned(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := f.pool.Query(t.Context(), `SELECT import FROM stoker.mentioned`)
	if err != nil {
		t.Fatal(err)
	}
	left, err := pgx.CollectRows(rows, pgx.RowTo[[16]byte])
	if err != nil || len(left) != 2 || left[0] != [16]byte(pending.ID) || left[1] != [16]byte(pending.ID) {
		t.Errorf("keys are left of %x, %v; want two of %s", left, err, pending.ID)
	}
}

// TestResolved: a mending import resolves rejects of its keys, a retry those of its lines, and a discard undoes that.
func TestResolved(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	first := f.accept(fhirmsg.ModeOverwrite)
	f.drain(first, ledger.File{}, fhirmsg.Reject{Line: 1, Type: "Patient", ID: "a"}, fhirmsg.Reject{Line: 2, Type: "Patient", ID: "b"},
		fhirmsg.Reject{Line: 3}, fhirmsg.Reject{Line: 4, Type: "Group", ID: "a"})
	if err := f.ledger.Settle(t.Context(), first.ID); err != nil {
		t.Fatal(err)
	}
	want := func(what string, resolved, open int64, by int) {
		t.Helper()
		s, err := f.ledger.Status(t.Context(), first.ID)
		if err != nil || s.Mended == nil || s.Mended.Resolved != resolved || s.Mended.Open != open || len(s.Mended.By) != by {
			t.Errorf("%s: %+v, %v; want %d resolved, %d open, by %d", what, s.Mended, err, resolved, open, by)
		}
	}
	request := func(set func(*fhirmsg.ImportRequest)) fhirmsg.Import {
		t.Helper()
		id, err := fhirmsg.NewImportID(time.Now(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		req := fhirmsg.ImportRequest{ID: id, Sources: []fhirmsg.Source{{Path: "/x"}}}
		set(&req)
		imp, state, err := f.ledger.Accept(t.Context(), req, 3, "")
		if err != nil || state != ledger.StateAccepted {
			t.Fatalf("accept: %s, %v", state, err)
		}
		return imp
	}
	mend := request(func(r *fhirmsg.ImportRequest) { r.Mends = first.ID })
	b := batchOf(mend, res{id: "a", content: "1"}, res{id: "c", content: "1"})
	f.write(b)
	f.write(b)
	want("one key delivered", 1, 3, 1)
	retry := request(func(r *fhirmsg.ImportRequest) { r.Retry, r.Sources = first.ID, nil })
	again := batchOf(retry, res{id: "z", content: "1"}) // the line that had no key
	again.Body = fhirmsg.AppendRecord(nil, fhirmsg.Record{ID: []byte("z"), Stamp: retry.Issued, Line: 3, Hash: fhirmsg.Hash{1}, Body: []byte(`{}`)})
	again.Seal()
	f.write(again)
	want("a line put through again", 2, 2, 2)
	f.end(mend, retry)
	f.discard(mend, "")
	want("the mending import discarded", 1, 3, 2)
	if _, state, err := f.ledger.Accept(t.Context(), fhirmsg.ImportRequest{ID: fhirmsg.ImportID{9}, Supplier: "other", Mends: first.ID, Sources: []fhirmsg.Source{{Path: "/x"}}}, 3, ""); err != nil || state != ledger.StateFailed {
		t.Errorf("another supplier's import to be mended: %s, %v", state, err)
	}
}
