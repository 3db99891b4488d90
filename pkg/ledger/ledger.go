package ledger

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Ledger reads and writes the schema "stoker".
type Ledger struct{ pool *pgxpool.Pool }

// New makes a Ledger over a pool, which stays the caller's to close.
func New(pool *pgxpool.Pool) *Ledger { return &Ledger{pool: pool} }

// Migrate brings the schema up to date. Services may call it at the same time; one does
// the work and the others wait.
func Migrate(ctx context.Context, pool *pgxpool.Pool) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return fmt.Errorf("migrate the ledger: %w", err)
	}
	locker, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return fmt.Errorf("migrate the ledger: %w", err)
	}
	db := stdlib.OpenDBFromPool(pool)
	defer func() { _ = db.Close() }() // the pool stays open
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files,
		goose.WithSessionLocker(locker), goose.WithTableName("public.stoker_migrations"))
	if err != nil {
		return fmt.Errorf("migrate the ledger: %w", err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate the ledger: %w", err)
	}
	return nil
}

// Ready reports whether the schema is there and answers.
func (l *Ledger) Ready(ctx context.Context) error {
	var one int
	err := l.pool.QueryRow(ctx, `SELECT 1 FROM stoker.clock`).Scan(&one)
	if err != nil {
		return fmt.Errorf("PostgreSQL: %w", err)
	}
	return nil
}

// ErrNotFound is returned for an import that the ledger does not know.
var ErrNotFound = errors.New("no such import")

func notFound(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrNotFound
	}
	return err
}

func micros(t time.Time) int64 { return t.UnixMicro() }

// timeOf and microsOf turn a time that may be unknown into the database's form, and back.
func timeOf(micros *int64) *time.Time {
	if micros == nil {
		return nil
	}
	t := time.UnixMicro(*micros)
	return &t
}

func microsOf(t *time.Time) *int64 {
	if t == nil {
		return nil
	}
	m := micros(*t)
	return &m
}
