package ledger

import (
	"testing"
	"time"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

func (l *Ledger) wantOutstanding(t *testing.T, what, supplier string, want int64) {
	t.Helper()
	// Twice: the second look begins where the first one found the import to be.
	for range 2 {
		got, err := l.Outstanding(t.Context(), supplier)
		check(t, err)
		if got != want {
			t.Errorf("%s: %d bytes on their way, want %d", what, got, want)
		}
	}
}

// TestOutstanding: a chunk is on its way until all that was parsed of it is written, in whatever
// order that is said, and until its import ends.
func TestOutstanding(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	req := newRequest(t)
	req.Supplier = "clinic"
	imp := l.mustAccept(t, req)
	check(t, l.PinFiles(t.Context(), imp.ID, []File{{Index: 0, Locator: []byte(`{}`), State: "waiting"}, {Index: 1, Locator: []byte(`{}`), State: "waiting"}}, nil))
	_, err := l.BeginFetch(t.Context(), imp.ID)
	check(t, err)
	l.wantOutstanding(t, "nothing fetched", "clinic", 0)
	const light, heavy = 2 << 10, 3000 // two short lines, and two long ones in file 1
	fetched := func(file int32, offs ...int64) {
		t.Helper()
		var list []Fetched
		for _, off := range offs {
			list = append(list, Fetched{Offset: off, Length: []int64{10, heavy}[file], Lines: 2})
		}
		_, err := l.RecordFetched(t.Context(), imp.ID, file, 0, list)
		check(t, err)
	}
	parsed := func(file int32, off int64, plain int64) {
		t.Helper()
		s := parsedStatement(imp, 2, plain)
		s.File, s.Offset, s.Length = file, off, 10
		check(t, l.RecordParsed(t.Context(), []fhirmsg.Statement{s}))
	}
	written := func(file int32, off int64, typ string, n int64) {
		t.Helper()
		w := writtenBatch(imp, typ, n)
		w.Batch.File, w.Batch.Offset = file, off
		l.recordWritten(t, w)
	}
	fetched(0, 0, 10, 20)
	l.wantOutstanding(t, "three chunks fetched", "clinic", 3*light)
	l.wantOutstanding(t, "another supplier", "other", 0)
	written(0, 10, "Patient", 2)
	l.wantOutstanding(t, "written before it is said to be parsed", "clinic", 3*light)
	parsed(0, 10, 2)
	l.wantOutstanding(t, "the second stored", "clinic", 2*light)
	parsed(0, 0, 2)
	written(0, 0, "Patient", 1)
	l.wantOutstanding(t, "half of the first stored", "clinic", 2*light)
	fetched(1, 0)
	l.wantOutstanding(t, "a chunk of another file", "clinic", 2*light+heavy)
	written(0, 0, "Observation", 1)
	l.wantOutstanding(t, "the first stored", "clinic", light+heavy)
	parsed(0, 20, 0)
	l.wantOutstanding(t, "all of the third rejected", "clinic", heavy)
	var file, off int64
	check(t, l.pool.QueryRow(t.Context(), `SELECT file, off FROM stoker.credit WHERE import = $1`, [16]byte(imp.ID)).Scan(&file, &off))
	if file != 1 || off != 0 {
		t.Errorf("the next look begins at file %d, byte %d; want file 1, byte 0", file, off)
	}
	check(t, l.Pause(t.Context(), imp.ID))
	l.wantOutstanding(t, "paused, with a chunk in the queue", "clinic", heavy)
	check(t, l.Cancel(t.Context(), imp.ID))
	l.wantOutstanding(t, "cancelled", "clinic", 0)
}

// TestWaiting: what a fetcher waits for is shown while it fetches.
func TestWaiting(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	imp := l.mustAccept(t, newRequest(t))
	_, err := l.BeginFetch(t.Context(), imp.ID)
	check(t, err)
	shown := func() *Waiting {
		t.Helper()
		s, err := l.Progress(t.Context(), imp.ID)
		check(t, err)
		return s.Waiting
	}
	if w := shown(); w != nil {
		t.Errorf("it waits for %q from the beginning", w.For)
	}
	since := time.Now().Add(-time.Minute).Truncate(time.Microsecond)
	check(t, l.SetWaiting(t.Context(), imp.ID, Waiting{For: "room", Since: since}))
	if w := shown(); w == nil || w.For != "room" || !w.Since.Equal(since) {
		t.Errorf("got %+v, want room since %s", w, since)
	}
	check(t, l.Pause(t.Context(), imp.ID))
	if w := shown(); w != nil {
		t.Errorf("paused it still waits for %q", w.For)
	}
	_, _, err = l.Resume(t.Context(), imp.ID)
	check(t, err)
	_, err = l.BeginFetch(t.Context(), imp.ID)
	check(t, err)
	check(t, l.SetWaiting(t.Context(), imp.ID, Waiting{Since: since}))
	if w := shown(); w != nil {
		t.Errorf("it waits for %q after it went on", w.For)
	}
}
