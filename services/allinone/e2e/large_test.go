package e2e

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// TestLargeResource: a resource of 40 MB arrives whole. A line over the maximum, and a resource
// that only PostgreSQL refuses, are rejected with their line, and all others are stored.
func TestLargeResource(t *testing.T) {
	t.Parallel()
	content := make([]byte, 30<<20)
	if _, err := rand.Read(content); err != nil { // what cannot be compressed does not fit a message
		t.Fatal(err)
	}
	noise := base64.StdEncoding.EncodeToString(content) // 40 MiB
	lines := []string{
		`{"resourceType":"Patient","id":"before"}`,
		`{"resourceType":"Binary","id":"large","contentType":"application/pdf","data":"` + noise + `"}`,
		`{"resourceType":"Patient","id":"between"}`,
		`{"resourceType":"Binary","id":"too-long","contentType":"application/pdf","data":"` + noise + noise + `"}`,
		`{"resourceType":"Patient","id":"refused","gender":"male","active":true}`,
		`{"resourceType":"Patient","id":"after"}`,
	}
	path := filepath.Join(t.TempDir(), "large.ndjson")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := shared(t)
	// A constraint of the database's owner, once there is a table.
	first := filepath.Join(t.TempDir(), "first.ndjson")
	if err := os.WriteFile(first, []byte(`{"resourceType":"Patient","id":"first"}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	importJSON(t, env, "--dataset", "large", first)
	conn, err := pgx.Connect(t.Context(), databaseURL(t, env))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background()) //nolint:errcheck // only read
	if _, err := conn.Exec(t.Context(), `ALTER TABLE large.patient ADD CHECK (NOT resource @> '{"gender":"male"}')`); err != nil {
		t.Fatal(err)
	}

	s := importJSON(t, env, "--dataset", "large", "--max-rejects", "off", path)
	wantBalanced(t, "large", s)
	if s.State != ledger.StateComplete || s.Resources.Inserted != 4 || s.Lines.Rejected != 1 || s.Resources.Rejected != 1 {
		t.Errorf("%s: inserted %d, lines rejected %d, resources rejected %d; want 4, 1, 1", s.State, s.Resources.Inserted, s.Lines.Rejected, s.Resources.Rejected)
	}
	var whole bool
	if err := conn.QueryRow(t.Context(), `SELECT resource->>'data' = $1 FROM large.binary WHERE id = 'large'`, noise).Scan(&whole); err != nil || !whole {
		t.Errorf("the large resource is whole: %v, %v", whole, err)
	}
	var ids, rejected string
	if err := conn.QueryRow(t.Context(), `SELECT string_agg(id, ' ' ORDER BY id) FROM large.patient`).Scan(&ids); err != nil {
		t.Fatal(err)
	}
	if err := conn.QueryRow(t.Context(), `SELECT string_agg(line::text, ' ' ORDER BY line) FROM stoker.reject WHERE import = $1 AND NOT stored`, s.Import.String()).Scan(&rejected); err != nil {
		t.Fatal(err)
	}
	if ids != "after before between first" || rejected != "4 5" {
		t.Errorf("stored %s, rejected lines %s", ids, rejected)
	}
}
