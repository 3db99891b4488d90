package pgtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/url"

	"github.com/jackc/pgx/v5"
)

// preparation is what the databases of some tests begin with.
type preparation struct {
	key     string
	prepare func(ctx context.Context, databaseURL string) error
}

// template is the database that those of the preparation are copied from. Whoever comes first makes it; it goes with the
// server.
func (p preparation) template(ctx context.Context, conn *pgx.Conn, server url.URL) (name string, err error) {
	sum := sha256.Sum256([]byte(p.key))
	name = "template_" + hex.EncodeToString(sum[:8])
	const isThere = `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1 AND datistemplate)`
	var there bool
	if err := conn.QueryRow(ctx, isThere, name).Scan(&there); err != nil || there {
		return name, err
	}
	// Until the end of the connection, which is soon. Others make theirs meanwhile.
	if _, err := conn.Exec(ctx, `SELECT pg_advisory_lock(hashtextextended($1, 0))`, name); err != nil {
		return name, err
	}
	if err := conn.QueryRow(ctx, isThere, name).Scan(&there); err != nil || there {
		return name, err
	}
	for _, statement := range []string{"DROP DATABASE IF EXISTS " + name + " WITH (FORCE)", "CREATE DATABASE " + name} {
		if _, err := conn.Exec(ctx, statement); err != nil { // left by one that was killed
			return name, err
		}
	}
	server.Path = "/" + name
	if err := p.prepare(ctx, server.String()); err != nil {
		return name, err
	}
	_, err = conn.Exec(ctx, "ALTER DATABASE "+name+" IS_TEMPLATE true")
	return name, err
}
