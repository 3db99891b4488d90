package database

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// noticed makes the server end a session whose other side vanished without a word, as when its
// machine or its container's network goes: within half a minute, not the two hours that systems
// have as default. Until then its transaction would hold its locks. (Unix sockets need none
// of it.)
const noticed = `SET tcp_keepalives_idle = '10s'; SET tcp_keepalives_interval = '5s';
	SET tcp_keepalives_count = 3; SET tcp_user_timeout = '25s'`

// killed makes the server look whether the process that asked is still there, also while it works for it. Until then what a
// killed process had begun would go on, however long it takes, and hold its locks.
const killed = `SET client_connection_check_interval = '5s'`

// Connect returns a pool of connections to the database, which need not be up. It has room for at least as many as are told, unless
// the URL says how many (pool_max_conns). An error is about the URL; it does not repeat it.
func Connect(ctx context.Context, url string, atLeast int) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	if !strings.Contains(url, "pool_max_conns") {
		cfg.MaxConns = max(cfg.MaxConns, int32(atLeast))
	}
	cfg.ConnConfig.DialFunc = dial(cfg.ConnConfig.ConnectTimeout)
	// Not parameters of the connection itself: poolers in between refuse those they do not know.
	cfg.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, noticed); err != nil {
			return err
		}
		_, err := conn.Exec(ctx, killed)
		if refused := (*pgconn.PgError)(nil); errors.As(err, &refused) {
			return nil // PostgreSQL on Windows cannot
		}
		return err
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	return pool, nil
}
