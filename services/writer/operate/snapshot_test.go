package operate

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/services/writer"
	"github.com/stoker-fhir/stoker/services/writer/internal/store"
)

// deliver makes an import of Patients, as fetcher and parser would, up to draining.
func (f *fixture) deliver(req fhirmsg.ImportRequest, ids ...string) fhirmsg.Import {
	f.t.Helper()
	imp := f.begin(req, ids...)
	f.close(imp)
	return imp
}

func (f *fixture) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// begin is deliver without the end.
func (f *fixture) begin(req fhirmsg.ImportRequest, ids ...string) fhirmsg.Import {
	f.t.Helper()
	must := f.must
	var err error
	req.ID, err = fhirmsg.NewImportID(time.Now(), rand.Reader)
	must(err)
	req.Sources = []fhirmsg.Source{{Path: "/x"}}
	ctx, l := f.t.Context(), f.Ledger
	imp, _, err := l.Accept(ctx, req, 3, "")
	must(err)
	must(l.PinFiles(ctx, imp.ID, []ledger.File{{Name: "a", Locator: json.RawMessage(`{}`), State: "waiting", Size: 1}}, nil))
	_, err = l.BeginFetch(ctx, imp.ID)
	must(err)
	first := f.line
	f.publish(imp, "Patient", ids...)
	for i := range ids {
		offset := (first + int64(i) + 1) * 100
		_, err = l.RecordFetched(ctx, imp.ID, 0, 1, []ledger.Fetched{{Offset: offset, Length: 100, Lines: 1}})
		must(err)
		must(l.RecordParsed(ctx, []fhirmsg.Statement{{Import: imp, Place: fhirmsg.Place{Offset: offset, Length: 100}, Lines: 1, Plain: 1}}))
	}
	return imp
}

func (f *fixture) close(imp fhirmsg.Import) {
	f.t.Helper()
	f.must(f.Ledger.CloseFile(f.t.Context(), imp.ID, 0, ""))
	f.must(f.Ledger.CloseList(f.t.Context(), imp.ID))
}

func (f *fixture) waitImport(id fhirmsg.ImportID) (s ledger.Status) {
	f.t.Helper()
	f.waitFor("the import's end", func() bool {
		var err error
		s, err = f.Ledger.Status(f.t.Context(), id)
		return err == nil && s.State.Ended()
	})
	return s
}

func (f *fixture) wantSnapshot(what string, s ledger.Status, state ledger.SnapshotState, deleted int64) {
	f.t.Helper()
	if s.State != ledger.StateComplete || s.Snapshot == nil || s.Snapshot.State != state || s.Snapshot.Deleted != deleted ||
		s.Missing != 0 || s.Resources.Seen != s.Resources.Total() || s.Lines.Read != s.Lines.Plain {
		f.t.Errorf("%s: %s, snapshot %+v, missing %d, %+v, %+v", what, s.State, s.Snapshot, s.Missing, s.Resources, s.Lines)
	}
}

// TestSnapshot: a snapshot deletes what it lacks by way of the queue, so replays bring the same into any dataset, and a discard
// restores it; one that was refused deletes once it is confirmed.
func TestSnapshot(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if _, err := f.SetHistory(t.Context(), "fhir", true); err != nil {
		t.Fatal(err)
	}
	f.startWriter()
	yes := true
	all := f.deliver(fhirmsg.ImportRequest{}, "a", "b", "c", "d")
	f.waitImport(all.ID)
	lacks := f.deliver(fhirmsg.ImportRequest{Snapshot: &yes}, "a", "b", "e")
	s := f.waitImport(lacks.ID)
	f.wantSnapshot("2 of 4 at 5 %", s, ledger.SnapshotRefused, 0)
	if got := f.patients("fhir"); got != "a b c d e" {
		t.Errorf("rows after it was refused: %s", got)
	}
	if err := f.Ledger.ConfirmSnapshot(t.Context(), lacks.ID, "1"); err != nil {
		t.Fatal(err)
	}
	f.wantSnapshot("at 1", f.waitImport(lacks.ID), ledger.SnapshotRefused, 0)
	if err := f.Ledger.ConfirmSnapshot(t.Context(), lacks.ID, "2"); err != nil {
		t.Fatal(err)
	}
	s = f.waitImport(lacks.ID)
	f.wantSnapshot("at 2", s, ledger.SnapshotApplied, 2)
	if got := f.patients("fhir"); got != "a b e" || s.Resources.Deleted != 2 || s.Files[1].Kind != ledger.KindAbsent {
		t.Errorf("rows %s, account %+v, files %+v", got, s.Resources.Counts, s.Files)
	}
	if err := f.Ledger.ConfirmSnapshot(t.Context(), lacks.ID, "2"); err == nil {
		t.Error("confirmed again")
	}

	for _, req := range []ReplayRequest{{Dataset: "fhir"}, {Dataset: "fhir", Into: "other"}} {
		r, err := f.Replay(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		if r = f.waitReplay(r.ID); r.State != ledger.ReplayComplete {
			t.Errorf("replay: %s (%s)", r.State, r.Reason)
		}
		if got := f.patients(r.Into); got != "a b e" {
			t.Errorf("rows of dataset %s after a replay: %s", r.Into, got)
		}
	}

	d, err := writer.Discard(t.Context(), f.Pool, lacks.ID, fmt.Sprint(*s.Snapshot.File), false)
	if err != nil || d.Restored != 2 {
		t.Errorf("discard of what it deleted: %+v, %v", d, err)
	}
	if got := f.patients("fhir"); got != "a b c d e" {
		t.Errorf("rows after what it deleted was discarded: %s", got)
	}
	if _, err := writer.Discard(t.Context(), f.Pool, lacks.ID, "", false); err != nil {
		t.Error(err)
	}
	if got := f.patients("fhir"); got != "a b c d" {
		t.Errorf("rows after it was discarded: %s", got)
	}
	s, err = f.Ledger.Status(t.Context(), lacks.ID)
	if err != nil || s.Missing != 0 || s.Resources.Discarded != 5 || s.Snapshot.Deleted != 0 || s.Snapshot.Settled != 2 {
		t.Errorf("account after it was discarded: %+v, %+v, %v", s.Resources, s.Snapshot, err)
	}
}

// TestSnapshotGoesOn: a writer ended between the steps of a snapshot; the next goes on, and nothing is deleted twice. A
// cancelled import deletes nothing more, and its account balances all the same.
func TestSnapshotGoesOn(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		published, cancelled bool // when the writer ended
		rows                 string
	}{
		"decided":                {rows: "a"},
		"published, not noted":   {published: true, rows: "a"},
		"cancelled when decided": {cancelled: true, rows: "a b c"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			yes := true
			stop := f.startWriter()
			f.waitImport(f.deliver(fhirmsg.ImportRequest{}, "a", "b", "c").ID)
			imp := f.begin(fhirmsg.ImportRequest{Snapshot: &yes, MaxDeletes: "off"}, "a")
			f.waitStored()
			stop()
			f.close(imp)
			if err := store.DecideSnapshot(t.Context(), f.Pool, imp.ID); err != nil {
				t.Fatal(err)
			}
			if tt.published {
				b, err := f.Ledger.NextAbsent(t.Context(), imp.ID)
				if err != nil || b == nil {
					t.Fatalf("nothing to publish: %v", err)
				}
				msg, err := b.Append(nil)
				if err != nil {
					t.Fatal(err)
				}
				// Under two ids, as after the time in which JetStream knows one.
				for _, id := range []string{b.MessageID(), "again"} {
					if err := f.Bus.Publish(t.Context(), fhirmsg.ResourceSubject("fhir", "Patient"), id, msg); err != nil {
						t.Fatal(err)
					}
				}
			}
			if tt.cancelled {
				if err := f.Ledger.Cancel(t.Context(), imp.ID); err != nil {
					t.Fatal(err)
				}
			}
			f.startWriter()
			var s ledger.Status
			f.waitFor("the snapshot's end", func() bool {
				var err error
				s, err = f.Ledger.Status(t.Context(), imp.ID)
				return err == nil && s.State.Ended() && s.Snapshot.State == ledger.SnapshotApplied && s.Missing == 0
			})
			if got := f.patients("fhir"); got != tt.rows {
				t.Errorf("rows %s, want %s", got, tt.rows)
			}
			want := ledger.Counts{Updated: 1, Deleted: 2}
			if tt.cancelled {
				want = ledger.Counts{Updated: 1, Cancelled: 2}
			}
			if s.Resources.Counts != want || s.Resources.Seen != s.Resources.Total() {
				t.Errorf("account %+v, want %+v", s.Resources, want)
			}
		})
	}
}
