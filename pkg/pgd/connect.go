package pgd

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/jackc/pgx/v5"
)

// serverURL names the port too, or the environment's PGPORT would count. The path is one that
// needs no escapes (fitsSocket).
func serverURL(socket, database string) string {
	return fmt.Sprintf("postgres://%s@/%s?host=%s&port=%s", superuser, url.PathEscape(database), socket, port)
}

func ping(ctx context.Context, serverURL string) error {
	conn, err := pgx.Connect(ctx, serverURL)
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

// ensureDatabase creates the database if it is not there.
func ensureDatabase(ctx context.Context, socket, database string) error {
	conn, err := pgx.Connect(ctx, serverURL(socket, "postgres"))
	if err != nil {
		return err
	}
	var exists bool
	err = conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", database).Scan(&exists)
	if err == nil && !exists {
		_, err = conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{database}.Sanitize())
	}
	return errors.Join(err, conn.Close(ctx))
}
