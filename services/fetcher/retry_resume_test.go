package fetcher

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/rs/zerolog"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/journal"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/ledgertest"
)

// newFetcher is a fetcher on servers of its own.
func newFetcher(t *testing.T) (*fetcher, *pgxpool.Pool) {
	t.Helper()
	servers := ledgertest.NewServers(t)
	pool, b := servers.Pool, servers.Bus
	return &fetcher{
		cfg: Config{Window: 4, Credit: 64 << 20}, deps: Deps{Bus: b, Pool: pool, Log: zerolog.Nop()},
		ledger: ledger.New(pool), journal: journal.Journal{Bus: b, Ledger: ledger.New(pool)}, stopping: make(chan struct{}), seats: &seats{},
	}, pool
}

// rejected is a cancelled import of two files with n rejects each: lines, of which some follow
// each other, and entries of Bundles.
func (f *fetcher) rejected(t *testing.T, n int64) fhirmsg.Import {
	t.Helper()
	fail := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	id, err := fhirmsg.NewImportID(time.Now(), rand.Reader)
	fail(err)
	req := fhirmsg.ImportRequest{ID: id, ChunkSize: fhirmsg.MinChunkSize, Sources: []fhirmsg.Source{{Path: "/x"}}}
	imp, _, err := f.ledger.Accept(t.Context(), req.WithDefaults(), rules, "")
	fail(err)
	fail(f.ledger.PinFiles(t.Context(), imp.ID, []ledger.File{
		{Index: 0, Name: "a", Locator: json.RawMessage("{}"), State: "waiting"}, {Index: 1, Name: "b", Locator: json.RawMessage("{}"), State: "waiting"},
	}, nil))
	for file := range int32(2) {
		group := fhirmsg.Rejects{RejectsHeader: fhirmsg.RejectsHeader{Import: imp, Place: fhirmsg.Place{File: file}}}
		s := fhirmsg.Statement{Import: imp, Place: fhirmsg.Place{File: file}}
		for i := range n {
			r := fhirmsg.Reject{Line: i + 1, Offset: 50 * i, Raw: fmt.Appendf(nil, "%049d", i)}
			if i%7 == 0 {
				r.Entry = int32(i%3 + 1)
			}
			group.Items = append(group.Items, r)
			s.Lines, s.Rejected = s.Lines+1, s.Rejected+1
		}
		fail(f.ledger.RecordRejects(t.Context(), []fhirmsg.Rejects{group}))
		fail(f.ledger.RecordParsed(t.Context(), []fhirmsg.Statement{s}))
	}
	fail(f.ledger.Cancel(t.Context(), imp.ID))
	return imp
}

// TestRetryIsResumed: a fetcher that follows one which died in the middle of a retry publishes
// the same chunks under the same ids, so that each is in the queue once.
func TestRetryIsResumed(t *testing.T) {
	t.Parallel()
	f, pool := newFetcher(t)
	const n = 2500 // in several pages
	original := f.rejected(t, n)
	req, err := f.ledger.Retry(t.Context(), original.ID, "")
	if err != nil {
		t.Fatal(err)
	}
	if req.ID, err = fhirmsg.NewImportID(time.Now(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	if err := f.fetch(t.Context(), req.WithDefaults()); err != nil {
		t.Fatal(err)
	}
	chunks := func() (total uint64) {
		backlog, err := f.deps.Bus.Backlog(t.Context(), fhirmsg.StreamChunks)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range backlog {
			total += n
		}
		return total
	}
	want := chunks()
	status := func() ledger.Status {
		s, err := f.ledger.Status(t.Context(), req.ID)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	first := status()
	if first.State != ledger.StateDraining || first.Lines.Read != 2*n || want < 100 || first.Files[1].Name != "b" {
		t.Fatalf("%s, %d chunks, lines %+v, files %+v", first.State, want, first.Lines, first.Files)
	}
	// As if it had died before it could state most of the second file.
	_, err = pool.Exec(context.WithoutCancel(t.Context()), `
		WITH forgotten AS (DELETE FROM stoker.fetched WHERE import = $1 AND file = 1 AND off > 40000),
			opened AS (UPDATE stoker.file SET state = 'open' WHERE import = $1 AND file = 1)
		UPDATE stoker.import SET state = 'fetching', closed = NULL WHERE id = $1`, [16]byte(req.ID))
	if err != nil {
		t.Fatal(err)
	}
	if s := status(); s.Lines.Read >= 2*n {
		t.Fatalf("nothing was forgotten: %+v", s.Lines)
	}
	if err := f.fetch(t.Context(), req.WithDefaults()); err != nil {
		t.Fatal(err)
	}
	if s := status(); s.State != ledger.StateDraining || s.Lines != first.Lines || chunks() != want {
		t.Errorf("resumed: %s, %d chunks, lines %+v; want %d chunks, lines %+v", s.State, chunks(), s.Lines, want, first.Lines)
	}
}
