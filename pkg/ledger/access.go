package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/supplier"
)

// ErrNoToken is returned for an access token that was not given, has expired, or whose supplier is not the client any more.
var ErrNoToken = errors.New("no such access token")

// AccessToken is a short-lived token of a supplier. Its text is not kept.
type AccessToken struct {
	Hash     string // see [supplier.HashOf]
	Supplier string
	ClientID string
	Scope    string
}

// Client returns the supplier of a client id. Errors: [ErrNoSupplier].
func (l *Ledger) Client(ctx context.Context, clientID string) (Supplier, error) {
	rows, err := l.pool.Query(ctx, selectSupplier+`WHERE removed IS NULL AND credentials->>'client_id' = $1`, clientID)
	if err != nil {
		return Supplier{}, fmt.Errorf("supplier of a client id: %w", err)
	}
	list, err := pgx.CollectRows(rows, scanSupplier)
	switch {
	case err != nil:
		return Supplier{}, fmt.Errorf("supplier of a client id: %w", err)
	case len(list) != 1: // two of one id were possible before they were used
		return Supplier{}, fmt.Errorf("supplier of a client id: %w", ErrNoSupplier)
	}
	return list[0], nil
}

// SpendAssertion notes that an assertion was used, until it has expired for certain. First is false where it was used before,
// by whatever process.
func (l *Ledger) SpendAssertion(ctx context.Context, clientID, jti string, until time.Time) (first bool, err error) {
	// Clocks of processes and database may differ, so what has just expired is kept a while.
	if _, err := l.pool.Exec(ctx, `DELETE FROM stoker.assertion WHERE until < clock_timestamp() - interval '10 minutes'`); err != nil {
		return false, fmt.Errorf("note an assertion: %w", err)
	}
	tag, err := l.pool.Exec(ctx, `INSERT INTO stoker.assertion (client, jti, until) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
		clientID, supplier.HashOf(jti), until)
	if err != nil {
		return false, fmt.Errorf("note an assertion: %w", err)
	}
	return tag.RowsAffected() == 1, nil
}

// AddAccessToken keeps an access token for its life.
func (l *Ledger) AddAccessToken(ctx context.Context, t AccessToken, life time.Duration) error {
	if _, err := l.pool.Exec(ctx, `DELETE FROM stoker.access_token WHERE until < clock_timestamp()`); err != nil {
		return fmt.Errorf("keep an access token: %w", err)
	}
	_, err := l.pool.Exec(ctx, `INSERT INTO stoker.access_token (hash, supplier, client, scope, until)
		VALUES ($1, $2, $3, $4, clock_timestamp() + $5)`, t.Hash, t.Supplier, t.ClientID, t.Scope, life)
	if err != nil {
		return fmt.Errorf("keep an access token: %w", err)
	}
	return nil
}

// AccessToken returns whose token one is, by its hash, and what scopes it has. Errors: [ErrNoToken].
func (l *Ledger) AccessToken(ctx context.Context, hash string) (s Supplier, scope string, err error) {
	err = l.pool.QueryRow(ctx, `SELECT s.name, s.policy, s.credentials, s.from_file, s.created, s.removed, t.scope
		FROM stoker.access_token t JOIN stoker.supplier s ON s.name = t.supplier
		WHERE t.hash = $1 AND t.until > clock_timestamp() AND s.removed IS NULL AND s.credentials->>'client_id' = t.client`, hash).
		Scan(&s.Name, &s.Policy, &s.Credentials, &s.FromFile, &s.Created, &s.Removed, &scope)
	if errors.Is(notFound(err), ErrNotFound) {
		err = ErrNoToken
	}
	if err != nil {
		return Supplier{}, "", fmt.Errorf("access token: %w", err)
	}
	return s, scope, nil
}
