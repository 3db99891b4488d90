package ledger

import (
	"errors"
	"strings"
	"testing"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/supplier"
)

func named(name string, p supplier.Policy) supplier.Supplier {
	return supplier.Supplier{Name: name, Policy: p}
}

// deliver accepts an import of a supplier that says nothing but what it must.
func (l *Ledger) deliver(t *testing.T, req fhirmsg.ImportRequest) (fhirmsg.Import, Status) {
	t.Helper()
	req.ID, req.Sources = newRequest(t).ID, []fhirmsg.Source{{Path: "/x"}}
	imp := l.mustAccept(t, req)
	s, err := l.Status(t.Context(), imp.ID)
	check(t, err)
	return imp, s
}

// TestPolicyIsPinned: an import takes what it does not say from its supplier's policy as it is then.
func TestPolicyIsPinned(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	policy := supplier.Policy{
		Dataset: "research", Mode: fhirmsg.ModeSync, Validation: fhirmsg.ValidationStrict, Keys: fhirmsg.KeysScoped,
		Base: "https://a.example/fhir", MaxLine: 4096, URLPrefixes: []string{"https://a.example/"}, MaxImports: 3,
	}
	check(t, l.AddSupplier(t.Context(), named("clinic-a", policy), false))
	imp, status := l.deliver(t, fhirmsg.ImportRequest{Supplier: "clinic-a"})
	if imp.Dataset != "research" || imp.Mode != fhirmsg.ModeSync || imp.Validation != fhirmsg.ValidationStrict || imp.Definitions != "d" ||
		imp.Keys != fhirmsg.KeysScoped || imp.Base != policy.Base || imp.MaxLine != 4096 || imp.ChunkSize != fhirmsg.DefaultChunkSize || status.State != StateAccepted {
		t.Errorf("%s: %+v", status.State, imp)
	}
	policy.MaxImports = 5
	check(t, l.AddSupplier(t.Context(), named("clinic-a", policy), true))
	if pinned, err := l.Policy(t.Context(), imp.ID); err != nil || pinned.MaxImports != 3 || len(pinned.URLPrefixes) != 1 {
		t.Errorf("pinned: %+v, %v", pinned, err)
	}
	// Whoever was never declared delivers as it says.
	imp, status = l.deliver(t, fhirmsg.ImportRequest{Supplier: "clinic-b", Dataset: "b"})
	if pinned, err := l.Policy(t.Context(), imp.ID); err != nil || pinned != nil || imp.Dataset != "b" || status.State != StateAccepted {
		t.Errorf("undeclared: %+v, %s, policy %v, %v", imp, status.State, pinned, err)
	}
}

// TestPolicyRefuses: what contradicts the policy fails with the reason, and so does whatever comes in
// the name of a supplier that was removed.
func TestPolicyRefuses(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	check(t, l.AddSupplier(t.Context(), named("clinic-a", supplier.Policy{Mode: fhirmsg.ModeSync}), false))
	for _, tt := range []struct {
		req  fhirmsg.ImportRequest
		want string // "" is accepted
	}{
		{fhirmsg.ImportRequest{}, ""},
		{fhirmsg.ImportRequest{Dataset: "fhir"}, "dataset clinic-a; the request says fhir"},
		{fhirmsg.ImportRequest{Mode: fhirmsg.ModeOverwrite}, "mode sync; the request says overwrite"},
	} {
		tt.req.Supplier = "clinic-a"
		if _, s := l.deliver(t, tt.req); !strings.Contains(s.Reason, tt.want) || (s.State == StateFailed) != (tt.want != "") {
			t.Errorf("%+v: %s, %q; want %q", tt.req, s.State, s.Reason, tt.want)
		}
	}
	check(t, l.AddToken(t.Context(), "clinic-a", supplier.HashOf("t")))
	check(t, l.RemoveSupplier(t.Context(), "clinic-a"))
	if _, s := l.deliver(t, fhirmsg.ImportRequest{Supplier: "clinic-a"}); s.State != StateFailed || !strings.Contains(s.Reason, "was removed") {
		t.Errorf("removed: %s, %q", s.State, s.Reason)
	}
	if err := l.RemoveSupplier(t.Context(), "clinic-a"); !errors.Is(err, ErrNoSupplier) {
		t.Errorf("removed twice: %v", err)
	}
	check(t, l.AddSupplier(t.Context(), named("clinic-a", supplier.Policy{}), false))
	s, err := l.Supplier(t.Context(), "clinic-a")
	if err != nil || s.Removed != nil || s.Accepts("t") {
		t.Errorf("brought back: %+v, %v", s, err)
	}
}

// TestOthersIDs: nobody takes part in an import of somebody else by naming its id.
func TestOthersIDs(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	req := newRequest(t)
	req.Supplier = "clinic-a"
	imp := l.mustAccept(t, req)
	check(t, l.Cancel(t.Context(), imp.ID))
	req.Supplier = "clinic-b"
	if _, _, err := l.Accept(t.Context(), req, 2, "d"); !errors.Is(err, ErrOthers) {
		t.Errorf("the id of another supplier's import: %v", err)
	}
	retry := newRequest(t)
	retry.Supplier, retry.Sources, retry.Retry = "clinic-b", nil, imp.ID
	if s, err := l.Status(t.Context(), l.mustAccept(t, retry).ID); err != nil || s.State != StateFailed || !strings.Contains(s.Reason, "of supplier clinic-b, which it is to retry, is not known") {
		t.Errorf("a retry of another supplier's import: %s, %q, %v", s.State, s.Reason, err)
	}
}

// TestSharedDataset: equal ids of two suppliers are one resource only where somebody said so.
func TestSharedDataset(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	refuses := func(s supplier.Supplier, want string) {
		t.Helper()
		if err := l.AddSupplier(t.Context(), s, true); !errors.Is(err, ErrSupplier) || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", s, err, want)
		}
	}
	check(t, l.AddSupplier(t.Context(), named("clinic-a", supplier.Policy{}), false))
	refuses(named("clinic-b", supplier.Policy{Dataset: "clinic-a"}), "has the resources of supplier clinic-a too")
	check(t, l.AddSupplier(t.Context(), named("clinic-b", supplier.Policy{Dataset: "clinic-a", Keys: fhirmsg.KeysScoped}), false))
	check(t, l.AddSupplier(t.Context(), named("clinic-c", supplier.Policy{Dataset: "clinic-a", Keys: fhirmsg.KeysKeep}), false))
	// Also where nobody declared who delivered.
	l.deliver(t, fhirmsg.ImportRequest{})
	refuses(named("clinic-d", supplier.Policy{Dataset: fhirmsg.DefaultDataset}), "supplier local too")
	// A key policy stays with what was delivered under it.
	imp, _ := l.deliver(t, fhirmsg.ImportRequest{Supplier: "clinic-b"})
	check(t, l.PinFiles(t.Context(), imp.ID, nil, nil))
	refuses(named("clinic-b", supplier.Policy{Dataset: "clinic-a", Keys: fhirmsg.KeysKeep}), "key policy scoped, which cannot be changed")
	check(t, l.AddSupplier(t.Context(), named("clinic-b", supplier.Policy{Dataset: "b", Keys: fhirmsg.KeysKeep}), true))
}

// TestFileOfSuppliers: the file decides on those that it names, and commands on the others.
func TestFileOfSuppliers(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	apply := func(list ...supplier.Supplier) []string {
		t.Helper()
		left, err := l.ApplySuppliers(t.Context(), list)
		check(t, err)
		return left
	}
	check(t, l.AddSupplier(t.Context(), named("clinic-c", supplier.Policy{}), false))
	a, b := named("clinic-a", supplier.Policy{Dataset: "d", Keys: fhirmsg.KeysScoped}), named("clinic-b", supplier.Policy{Dataset: "d", Keys: fhirmsg.KeysKeep})
	apply(a, b)
	for name, do := range map[string]func() error{
		"remove": func() error { return l.RemoveSupplier(t.Context(), "clinic-a") },
		"token":  func() error { return l.AddToken(t.Context(), "clinic-a", supplier.HashOf("t")) },
		"add":    func() error { return l.AddSupplier(t.Context(), a, true) },
	} {
		if err := do(); !errors.Is(err, ErrSupplier) || !strings.Contains(err.Error(), "suppliers.yaml") {
			t.Errorf("%s: %v", name, err)
		}
	}
	a.MaxImports = 2
	if left := apply(a); len(left) != 1 || left[0] != "clinic-b" {
		t.Errorf("left: %v", left)
	}
	check(t, l.RemoveSupplier(t.Context(), "clinic-b"))
	list, err := l.Suppliers(t.Context())
	if err != nil || len(list) != 3 || list[0].Name != "clinic-a" || list[0].MaxImports != 2 || list[1].Name != "clinic-c" || list[2].Removed == nil {
		t.Errorf("%+v, %v", list, err)
	}
	// All or none.
	if _, err := l.ApplySuppliers(t.Context(), []supplier.Supplier{named("clinic-d", supplier.Policy{}), named("clinic-e", supplier.Policy{Dataset: "clinic-d"})}); !errors.Is(err, ErrSupplier) {
		t.Errorf("two share a dataset without a key policy: %v", err)
	}
	if _, err := l.Supplier(t.Context(), "clinic-d"); !errors.Is(err, ErrNoSupplier) {
		t.Errorf("one of a file that was refused: %v", err)
	}
}

// TestMaxImports: of a supplier with a limit, the imports that came first are fetched first, and
// another supplier's are not held up.
func TestMaxImports(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	check(t, l.AddSupplier(t.Context(), named("clinic-a", supplier.Policy{MaxImports: 2}), false))
	var ids []fhirmsg.ImportID
	for range 4 {
		imp, _ := l.deliver(t, fhirmsg.ImportRequest{Supplier: "clinic-a"})
		ids = append(ids, imp.ID)
	}
	begins := func(i int, want bool) {
		t.Helper()
		state, err := l.BeginFetch(t.Context(), ids[i])
		if want && (err != nil || state != StateFetching) || !want && !errors.Is(err, ErrMaxImports) {
			t.Errorf("import %d: %s, %v; want it to begin: %v", i, state, err, want)
		}
	}
	begins(2, false) // whatever order they come in
	begins(0, true)
	begins(1, true)
	begins(0, true) // again, as after a crash
	begins(2, false)
	if n, err := l.OpenImports(t.Context(), "clinic-a"); err != nil || n != 4 {
		t.Errorf("open: %d, %v", n, err)
	}
	check(t, l.Pause(t.Context(), ids[0]))
	begins(2, true)
	begins(3, false)
	check(t, l.Cancel(t.Context(), ids[1]))
	begins(3, true)
	if n, err := l.UnendedImports(t.Context(), "clinic-a"); err != nil || n != 3 {
		t.Errorf("not ended: %d, %v", n, err)
	}
	imp, _ := l.deliver(t, fhirmsg.ImportRequest{Supplier: "clinic-b"})
	ids = append(ids, imp.ID)
	begins(4, true)
}

// TestColumnOfOlderTables: the migration gives tables of older versions the column original_id, and leaves
// alone what is not Stoker's.
func TestColumnOfOlderTables(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	content, err := migrations.ReadFile("migrations/00007_suppliers.sql")
	check(t, err)
	_, block, _ := strings.Cut(string(content), "-- +goose StatementBegin")
	block, _, _ = strings.Cut(block, "-- +goose StatementEnd")
	_, err = l.pool.Exec(t.Context(), `CREATE SCHEMA "old-one"; CREATE TABLE "old-one".patient (id text, resource jsonb, hash uuid);
		CREATE TABLE "old-one".patient_history (id text); CREATE TABLE "old-one".tombstone (id text); CREATE TABLE "old-one".mine (id text);
		CREATE TRIGGER forget_hash BEFORE UPDATE OF resource ON "old-one".patient FOR EACH ROW EXECUTE FUNCTION stoker.forget_hash();
		CREATE SCHEMA other; CREATE TABLE other.tombstone (id text);`)
	check(t, err)
	for range 2 {
		_, err = l.pool.Exec(t.Context(), block)
		check(t, err)
	}
	var tables string
	check(t, l.pool.QueryRow(t.Context(), `SELECT string_agg(attrelid::regclass::text, ' ' ORDER BY attrelid::regclass::text)
		FROM pg_attribute WHERE attname = 'original_id'`).Scan(&tables))
	if want := `"old-one".patient "old-one".patient_history "old-one".tombstone`; tables != want {
		t.Errorf("tables with the column: %s, want %s", tables, want)
	}
}
