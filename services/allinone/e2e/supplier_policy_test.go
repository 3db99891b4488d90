package e2e

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/pgtest"
)

// TestSuppliersShareADataset: two suppliers with equal ids, one by its token over HTTP, each with
// keys of its own; what refers to what stays right, and each sees its own imports only.
func TestSuppliersShareADataset(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "suppliers.yaml")
	write := func(name, content string) string {
		t.Helper()
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	write(file, "suppliers:\n  clinic-a:\n    dataset: research\n    keys: scoped\n  clinic-k:\n    dataset: kept\n    keys: keep\n")
	env, _ := up(t, pgtest.Dir(t), "STOKER_SUPPLIERS="+file)
	run := func(args ...string) string {
		t.Helper()
		r := stoker(t, env, "", args...)
		if r.code != 0 {
			t.Fatalf("%v ended with %d: %s%s", args, r.code, r.stdout, r.stderr)
		}
		return strings.TrimSpace(r.stdout)
	}
	token := run("supplier", "add", "clinic-b", "--dataset", "research", "--keys", "scoped", "--token")
	if r := stoker(t, env, "", "supplier", "add", "clinic-c", "--dataset", "research"); r.code == 0 || !strings.Contains(r.stderr, "name a key policy") {
		t.Errorf("a third in the dataset, without a key policy: %d: %s", r.code, r.stderr)
	}
	const first = `{"resourceType":"Patient","id":"1","gender":"female"}` + "\n" +
		`{"resourceType":"Observation","id":"o","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/1"}}` + "\n" +
		`{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"DELETE","url":"Patient/9"}}]}` + "\n"
	path := write(filepath.Join(t.TempDir(), "first.ndjson"), first)
	a := importJSON(t, env, "--supplier", "clinic-a", path)
	if a.Dataset != "research" || a.State != ledger.StateComplete {
		t.Fatalf("clinic-a: %s into %s: %s", a.State, a.Dataset, a.Reason)
	}
	b := importByToken(t, env, token, strings.ReplaceAll(first, "female", "male"))
	for _, s := range []ledger.Status{a, b} {
		wantBalanced(t, s.Supplier, s)
		if s.Resources.Inserted != 2 || s.Resources.Deleted != 1 || s.Resources.Foreign != 0 {
			t.Errorf("%s: %+v", s.Supplier, s.Resources.Counts)
		}
	}
	if again := importJSON(t, env, "--supplier", "clinic-a", path); again.Resources.Unchanged != 3 {
		t.Errorf("again: %+v", again.Resources.Counts)
	}
	conn, err := pgx.Connect(t.Context(), databaseURL(t, env))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background()) //nolint:errcheck // only read
	rows, err := conn.Query(t.Context(), `SELECT o.supplier || ' ' || (p.resource->>'gender') || ' ' || p.original_id || ' ' || (p.resource->>'id' = p.id)
		FROM research.observation o JOIN research.patient p ON o.resource->'subject'->>'reference' = 'Patient/' || p.id AND p.supplier = o.supplier
		UNION ALL SELECT supplier || ' deleted ' || original_id FROM research.tombstone ORDER BY 1`)
	if err != nil {
		t.Fatal(err)
	}
	got, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	want := "clinic-a deleted 9, clinic-a female 1 true, clinic-b deleted 9, clinic-b male 1 true"
	if strings.Join(got, ", ") != want {
		t.Errorf("rows %v, want %s", got, want)
	}

	other := append(env, "STOKER_TOKEN="+token)
	if r := stoker(t, other, "", "status", a.Import.String()); r.code == 0 || strings.Contains(r.stdout, "clinic-a") {
		t.Errorf("clinic-b sees clinic-a's import: %s", r.stdout)
	}
	if list := stoker(t, other, "", "status", "--json"); strings.Contains(list.stdout, "clinic-a") || !strings.Contains(list.stdout, b.Import.String()) {
		t.Errorf("clinic-b's list: %s%s", list.stdout, list.stderr)
	}
	run("supplier", "remove", "clinic-b")
	if r := stoker(t, other, "", "status"); r.code == 0 {
		t.Errorf("the token of a supplier that was removed: %s", r.stdout)
	}
	if s := importJSON(t, env, "--supplier", "clinic-k", path); s.Dataset != "kept" || s.Resources.Foreign != 0 {
		t.Errorf("clinic-k: %+v", s)
	}
	if s := importJSON(t, env, "--dataset", "kept", write(path, strings.ReplaceAll(first, "female", "other"))); s.Resources.Foreign != 3 {
		t.Errorf("another supplier under the same keys: %+v", s.Resources.Counts)
	}
}

// importByToken delivers as a supplier with a token does, and waits for the end.
func importByToken(t *testing.T, env []string, token, content string) (s ledger.Status) {
	t.Helper()
	base := strings.TrimPrefix(env[0], "STOKER_URL=")
	ask := func(method, path, body string, into any) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, base+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close() //nolint:errcheck // only read
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, into); err != nil {
			t.Fatalf("%s %s: %s: %s", method, path, resp.Status, b)
		}
		return resp.StatusCode
	}
	var spooled struct {
		Spool string `json:"spool"`
	}
	var created struct {
		Import string `json:"import"`
	}
	ask(http.MethodPut, "/spool", content, &spooled)
	if status := ask(http.MethodPost, "/imports", `{"sources":[{"spool":"`+spooled.Spool+`"}]}`, &created); status != http.StatusAccepted {
		t.Fatalf("import by token: %d", status)
	}
	waitFor(t, "the import by token", func() bool {
		s = ledger.Status{}
		return ask(http.MethodGet, "/imports/"+created.Import, "", &s) == http.StatusOK && s.State.Ended()
	})
	return s
}
