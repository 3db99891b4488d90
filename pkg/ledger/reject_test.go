package ledger

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// TestRejectsInPages: however large rejects are and however many, each is yielded once and in order, and no connection is held while
// somebody looks at one: here there is only one.
func TestRejectsInPages(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	imp := l.fetchOne(t, 500)
	var want []string
	groups := map[int32]*fhirmsg.Rejects{}
	for file := range int32(2) {
		groups[file] = &fhirmsg.Rejects{RejectsHeader: fhirmsg.RejectsHeader{Import: imp, Place: fhirmsg.Place{File: file}, Part: int(file)}}
		for line := range int64(200) {
			for _, entry := range []int32{0, 1, -2, 3} {
				size := 10
				if line >= 50 && line < 100 { // large ones between small ones
					size = 20_000
				}
				groups[file].Items = append(groups[file].Items, fhirmsg.Reject{Line: line + 1, Entry: entry, Raw: bytes.Repeat([]byte("x"), size), Issues: []fhirmsg.Issue{{Severity: "error"}}})
				want = append(want, fmt.Sprint(line+1, " ", entry))
			}
		}
	}
	check(t, l.RecordRejects(t.Context(), []fhirmsg.Rejects{*groups[1], *groups[0]}))
	cfg := l.pool.Config()
	cfg.MaxConns = 1
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	check(t, err)
	t.Cleanup(pool.Close)
	one := New(pool)
	read := func(each func(context.Context, fhirmsg.ImportID, func(RejectRow) error) error) (got []string) {
		check(t, each(t.Context(), imp.ID, func(r RejectRow) error {
			got = append(got, fmt.Sprint(r.Line, " ", r.Entry))
			if len(got)%100 != 1 {
				return nil
			}
			_, err := one.Progress(t.Context(), imp.ID)
			return err
		}))
		return got
	}
	if got := read(one.Rejects); !slices.Equal(got, want) {
		t.Errorf("%d rejects, want %d", len(got), len(want))
	}
	if got := read(func(ctx context.Context, id fhirmsg.ImportID, each func(RejectRow) error) error {
		return one.EachOfPart(ctx, id, false, 1, 700, each)
	}); !slices.Equal(got, want[700:1400]) {
		t.Errorf("of a part %d rejects", len(got))
	}
	if got := read(one.Tolerated); len(got) != 0 {
		t.Errorf("%d were stored all the same", len(got))
	}
}

// TestNextPage: pages grow by doubling, and shrink at once.
func TestNextPage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ page, taken, size, want int64 }{
		{firstRejects, firstRejects, 100, 2 * firstRejects},
		{mostRejects, mostRejects, 100, mostRejects},
		{64, 1, 64 << 20, 1},
		{64, 2, 1 << 20, 2},
		{1, 1, 100, 2},
		{4, 0, 0, 1},
	} {
		if got := nextPage(tt.page, tt.taken, tt.size); got != tt.want {
			t.Errorf("behind %+v: %d", tt, got)
		}
	}
}
