package store

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"pgregory.net/rapid"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/ledgertest"
)

const (
	dataset     = "fhir"
	writers     = 3
	chunkLength = 1000
)

// machine drives several stores on one database, and the model beside them.
type machine struct {
	testing *testing.T
	mode    fhirmsg.Mode
	pool    *pgxpool.Pool
	ledger  *ledger.Ledger

	// Of one case.
	stores  []*Store // as in processes of their own
	model   register
	imports []*importing
}

// importing is an import with all messages that there will be of it.
type importing struct {
	fhirmsg.Import
	chunks            []*chunk
	closed, cancelled bool
}

func (i *importing) GoString() string { return i.ID.String() }

// chunk is what is said of a chunk: that it was fetched, what it held, and its batches.
type chunk struct {
	of              *importing
	fetched, parsed bool // stated
	statement       fhirmsg.Statement
	batches         []*batch
}

func (c *chunk) GoString() string { return fmt.Sprintf("%#v at %d", c.of, c.statement.Offset) }

// batch is a message to a writer, and what the model knows of its statement.
type batch struct {
	fhirmsg.Batch
	of     *importing
	said   []said
	stated bool
	exact  bool // counts is what is stated, and not only its total
	counts ledger.Counts
}

func (b *batch) GoString() string {
	return fmt.Sprintf("%#v at %d, %s part %d", b.of, b.Offset, b.Type, b.Part)
}

func newMachine(t *testing.T, mode fhirmsg.Mode) *machine {
	t.Helper()
	config, err := pgxpool.ParseConfig(ledgertest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	config.MaxConns = writers + 3 // and the gate, and who watches
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return &machine{testing: t, mode: mode, pool: pool, ledger: ledger.New(pool)}
}

// begin empties the database for another case.
func (m *machine) begin(t *rapid.T) {
	m.stores, m.model, m.imports = nil, register{}, nil
	for range writers {
		m.stores = append(m.stores, New(m.pool))
	}
	for _, typ := range types {
		for _, s := range m.stores {
			m.check(t, s.ensure(m.testing.Context(), dataset, tableName(typ)))
		}
	}
	m.exec(t, `DELETE FROM fhir.patient; DELETE FROM fhir.observation; DELETE FROM fhir.tombstone; DELETE FROM stoker.import; DELETE FROM stoker.file;
		DELETE FROM stoker.fetched; DELETE FROM stoker.parsed; DELETE FROM stoker.written; DELETE FROM stoker.reject; DELETE FROM stoker.issue`)
}

func (m *machine) check(t *rapid.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (m *machine) exec(t *rapid.T, sql string, args ...any) {
	t.Helper()
	_, err := m.pool.Exec(m.testing.Context(), sql, args...)
	m.check(t, err)
}

// accept makes an import of a file's chunks, up to where it is fetched.
func (m *machine) accept(t *rapid.T, chunks [][]line) *importing {
	ctx := m.testing.Context()
	id, err := fhirmsg.NewImportID(time.Now(), rand.Reader)
	m.check(t, err)
	req := fhirmsg.ImportRequest{ID: id, Mode: m.mode, Dataset: dataset, Sources: []fhirmsg.Source{{Path: "/x"}}}.WithDefaults()
	imp, _, err := m.ledger.Accept(ctx, req, 2, "")
	m.check(t, err)
	file := ledger.File{Name: "x", Locator: json.RawMessage(`{}`), State: "waiting", Size: -1}
	m.check(t, m.ledger.PinFiles(ctx, id, []ledger.File{file}, nil))
	_, err = m.ledger.BeginFetch(ctx, id)
	m.check(t, err)
	m.check(t, m.ledger.OpenFile(ctx, id, 0, json.RawMessage(`{}`), -1))

	i := &importing{Import: imp}
	m.imports = append(m.imports, i)
	number := int64(1)
	for n, lines := range chunks {
		i.chunks = append(i.chunks, newChunk(i, int64(n)*chunkLength, number, lines))
		number += int64(len(lines))
	}
	return i
}

// newChunk is what a parser makes of lines.
func newChunk(i *importing, offset, number int64, lines []line) *chunk {
	c := &chunk{of: i, statement: fhirmsg.Statement{
		Import: i.Import, Place: fhirmsg.Place{Offset: offset, Length: chunkLength}, Lines: int64(len(lines)),
	}}
	for _, l := range lines {
		switch {
		case len(l.resources) == 0:
			c.statement.Blank++
		case l.bundle == 0:
			c.statement.Plain++
		default:
			c.statement.Bundles++
			c.statement.Entries += int64(len(l.resources))
		}
		for n, r := range l.resources {
			c.add(r, number, l.bundle*int32(n+1))
		}
		number++
	}
	for _, b := range c.batches {
		b.Seal()
	}
	return c
}

// add puts a resource into the last batch of its type, or a new part.
func (c *chunk) add(r drawn, number int64, entry int32) {
	var last *batch
	part := 0
	for _, b := range c.batches {
		if b.Type == r.key.typ {
			last, part = b, part+1
		}
	}
	if last == nil || r.newPart {
		last = &batch{of: c.of, Batch: fhirmsg.Batch{BatchHeader: fhirmsg.BatchHeader{
			Import: c.of.Import, Place: c.statement.Place, Type: r.key.typ, Part: part,
		}}}
		c.batches = append(c.batches, last)
	}
	stamp, _ := fhirmsg.Stamp(c.of.Mode, r.updated(c.of.Issued), nil, c.of.Issued)
	record := fhirmsg.Record{ID: []byte(r.key.id), Stamp: stamp, Line: number, Entry: entry, Deleted: r.content == "", Subsetted: r.subsetted}
	if r.content != "" {
		record.Body = fmt.Appendf(nil, `{"resourceType":%q,"id":%q,"x":%s}`, r.key.typ, r.key.id, r.content)
		record.Hash = fhirmsg.HashOf(record.Body)
	}
	last.Body = fhirmsg.AppendRecord(last.Body, record)
	last.Rows++
	last.said = append(last.said, said{
		key: r.key, mode: c.of.Mode, refused: r.content == refusedByPG,
		entry: r.entry(fhirmsg.Version{Stamp: stamp, Issued: c.of.Issued, Ordinal: record.Ordinal(0)}),
	})
}
