package ledger

import (
	"context"
	"errors"
	"fmt"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// Request is one that its caller named by a key, so that it has one effect however often it is sent.
type Request struct {
	Caller string // the supplier, or "" for operators
	Key    string
	Asked  fhirmsg.Hash // of what is asked for
}

// Answer is what was answered to a request.
type Answer struct {
	Status int
	Header map[string]string
	Body   []byte
}

// What a key can stand against.
var (
	ErrKeyUsed   = errors.New("the key is of another request")
	ErrKeyInHand = errors.New("the request of the key is being answered")
)

// BeginRequest returns the answer that was given to a request before; nil is that it is to be answered
// now, and then [Ledger.EndRequest] or [Ledger.ForgetRequest] called. Keys are known for seven
// days; a request that was not answered in a minute, as when the process ended, is to be answered
// again. Errors: [ErrKeyUsed], [ErrKeyInHand].
func (l *Ledger) BeginRequest(ctx context.Context, r Request) (*Answer, error) {
	var mine bool
	var asked [16]byte
	var status *int
	var a Answer
	if _, err := l.pool.Exec(ctx, `DELETE FROM stoker.request WHERE begun < clock_timestamp() - interval '7 days'`); err != nil {
		return nil, fmt.Errorf("begin a request with a key: %w", err)
	}
	// Of two at the same time, one waits for the other's row, and sees that it is in hand.
	err := l.pool.QueryRow(ctx, `WITH mine AS (
			INSERT INTO stoker.request AS r (caller, key, asked) VALUES ($1, $2, $3)
			ON CONFLICT (caller, key) DO UPDATE SET begun = clock_timestamp()
			WHERE r.status IS NULL AND r.asked = excluded.asked AND r.begun < clock_timestamp() - interval '1 minute' RETURNING asked
		)
		SELECT true, asked, NULL::int, NULL::jsonb, NULL::bytea FROM mine
		UNION ALL SELECT false, asked, status, header, body FROM stoker.request WHERE caller = $1 AND key = $2
		ORDER BY 1 DESC LIMIT 1`, r.Caller, r.Key, [16]byte(r.Asked)).Scan(&mine, &asked, &status, &a.Header, &a.Body)
	switch {
	case errors.Is(notFound(err), ErrNotFound):
		return nil, ErrKeyInHand // the other's row is too new for this statement's snapshot
	case err != nil:
		return nil, fmt.Errorf("begin a request with a key: %w", err)
	case mine:
		return nil, nil
	case asked != [16]byte(r.Asked):
		return nil, ErrKeyUsed
	case status == nil:
		return nil, ErrKeyInHand
	}
	a.Status = *status
	return &a, nil
}

// EndRequest keeps the answer to a request.
func (l *Ledger) EndRequest(ctx context.Context, r Request, a Answer) error {
	_, err := l.pool.Exec(ctx, `UPDATE stoker.request SET status = $4, header = $5, body = $6
		WHERE caller = $1 AND key = $2 AND asked = $3`, r.Caller, r.Key, [16]byte(r.Asked), a.Status, a.Header, a.Body)
	if err != nil {
		return fmt.Errorf("keep the answer to a request with a key: %w", err)
	}
	return nil
}

// ForgetRequest lets a request be made again that had no effect.
func (l *Ledger) ForgetRequest(ctx context.Context, r Request) error {
	_, err := l.pool.Exec(ctx, `DELETE FROM stoker.request WHERE caller = $1 AND key = $2 AND asked = $3 AND status IS NULL`,
		r.Caller, r.Key, [16]byte(r.Asked))
	if err != nil {
		return fmt.Errorf("forget a request with a key: %w", err)
	}
	return nil
}
