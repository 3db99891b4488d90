package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// Delivery is messages of the stream DELIVER that become one import.
type Delivery struct {
	Supplier, Name string // Name is as the supplier calls it; "" is none
	First, Last    uint64 // sequences
	Messages       int64
	Bytes          int64
	Import         fhirmsg.ImportID // zero: it is open, and more may come
	Requested      bool             // the request for the import is in the queue
}

// IsOpen reports whether more may come.
func (d Delivery) IsOpen() bool { return d.Import == fhirmsg.ImportID{} }

// gatherLock is the key of the advisory lock that whoever gathers holds.
const gatherLock = 0x73746f6b_64656c76

// Gathering is the right to gather, and how far that got. It ends with the connection that holds
// it, so that what is stored under it is stored by one at a time. It is for one goroutine.
type Gathering struct {
	conn   *pgx.Conn
	stream time.Time

	Position   uint64 // sequence of the last message that was gathered
	Deliveries []Delivery
}

// BeginGathering takes the right to gather from a stream that was made at a time; nil is that another one has it.
// The caller ends it. Deliveries of a stream that is not there any more are forgotten, and lost is how many.
func (l *Ledger) BeginGathering(ctx context.Context, stream time.Time) (g *Gathering, lost int64, err error) {
	// A connection of its own: it is held for long, and those of the pool are few.
	conn, err := l.OutsidePool(ctx)
	if err != nil {
		return nil, 0, fmt.Errorf("gather deliveries: %w", err)
	}
	g = &Gathering{conn: conn, stream: stream.UTC().Truncate(time.Microsecond)}
	var mine bool
	if err = conn.QueryRow(ctx, `SELECT pg_try_advisory_lock($1)`, int64(gatherLock)).Scan(&mine); err == nil && mine {
		lost, err = g.load(ctx)
	}
	if err != nil || !mine {
		g.End(ctx)
		if err != nil {
			err = fmt.Errorf("gather deliveries: %w", err)
		}
		return nil, 0, err
	}
	return g, lost, nil
}

func (g *Gathering) load(ctx context.Context) (lost int64, err error) {
	err = pgx.BeginFunc(ctx, g.conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `DELETE FROM stoker.gathered WHERE stream <> $1`, g.stream); err != nil {
			return err
		}
		gone, err := tx.Exec(ctx, `DELETE FROM stoker.delivery WHERE stream <> $1`, g.stream)
		if err != nil {
			return err
		}
		lost = gone.RowsAffected()
		var position int64
		err = tx.QueryRow(ctx, `SELECT sequence FROM stoker.gathered WHERE stream = $1`, g.stream).Scan(&position)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		g.Position = uint64(position)
		rows, err := tx.Query(ctx, `SELECT supplier, name, first, last, messages, bytes, import, requested
			FROM stoker.delivery WHERE stream = $1 ORDER BY first`, g.stream)
		if err != nil {
			return err
		}
		g.Deliveries, err = pgx.CollectRows(rows, scanDelivery)
		return err
	})
	return lost, err
}

func scanDelivery(row pgx.CollectableRow) (d Delivery, err error) {
	var first, last int64
	var id *[16]byte
	err = row.Scan(&d.Supplier, &d.Name, &first, &last, &d.Messages, &d.Bytes, &id, &d.Requested)
	d.First, d.Last = uint64(first), uint64(last)
	if id != nil {
		d.Import = *id
	}
	return d, err
}

// Store stores how far was gathered, and the deliveries that changed, together: invariant 2, a message is in
// one delivery, whoever goes on.
func (g *Gathering) Store(ctx context.Context, position uint64, changed []Delivery) error {
	err := pgx.BeginFunc(ctx, g.conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `INSERT INTO stoker.gathered (stream, sequence) VALUES ($1, $2)
			ON CONFLICT (stream) DO UPDATE SET sequence = excluded.sequence`, g.stream, int64(position)); err != nil {
			return err
		}
		batch := &pgx.Batch{}
		for _, d := range changed {
			var id *[16]byte
			if !d.IsOpen() {
				plain := [16]byte(d.Import)
				id = &plain
			}
			batch.Queue(`INSERT INTO stoker.delivery AS d (stream, first, last, supplier, name, messages, bytes, import, requested)
				VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (stream, first) DO UPDATE SET
				last = excluded.last, messages = excluded.messages, bytes = excluded.bytes, import = excluded.import, requested = excluded.requested`,
				g.stream, int64(d.First), int64(d.Last), d.Supplier, d.Name, d.Messages, d.Bytes, id, d.Requested)
		}
		return tx.SendBatch(ctx, batch).Close()
	})
	if err != nil {
		return fmt.Errorf("gather deliveries: %w", err)
	}
	return nil
}

// Forget forgets the deliveries whose imports need their messages no more, since they have been fetched or have
// ended, and returns the first sequences of these.
func (g *Gathering) Forget(ctx context.Context) (first []uint64, err error) {
	rows, err := g.conn.Query(ctx, `DELETE FROM stoker.delivery d USING stoker.import i
		WHERE d.stream = $1 AND d.requested AND i.id = d.import AND i.state NOT IN ('accepted', 'fetching', 'paused') RETURNING d.first`, g.stream)
	if err == nil {
		var list []int64
		list, err = pgx.CollectRows(rows, pgx.RowTo[int64])
		for _, n := range list {
			first = append(first, uint64(n))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("gather deliveries: %w", err)
	}
	return first, nil
}

// End gives the right back.
func (g *Gathering) End(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_ = g.conn.Close(ctx) // with it goes the lock
}
