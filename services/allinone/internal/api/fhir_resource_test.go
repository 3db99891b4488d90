package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/supplier"
)

func TestPostResource(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{})
	token := f.supplier("clinic-a", supplier.Policy{})
	for _, tt := range []struct {
		name, path, token, body, media string
		want                           int
	}{
		{"a resource", "/fhir/clinic-a", token, line, typeFHIR, 202},
		{"with parameters", "/fhir/clinic-a", token, line, typeFHIR + "; fhirVersion=4.0", 202},
		{"a Bundle", "/fhir/clinic-a", token, `{"resourceType":"Bundle","type":"collection"}`, "application/json", 202},
		{"by the operator", "/fhir/other", "", line, typeFHIR, 202},
		{"for a supplier", "/fhir/clinic-a?supplier=clinic-a", "", line, typeFHIR, 202},
		{"another dataset", "/fhir/other", token, line, typeFHIR, 422},
		{"no dataset", "/fhir/pg_x", "", line, typeFHIR, 400},
		{"another type", "/fhir/clinic-a", token, line, "application/fhir+xml", 415},
		{"no type", "/fhir/clinic-a", token, line, "", 415},
		{"two", "/fhir/clinic-a", token, line + line, typeFHIR, 400},
		{"no resource", "/fhir/clinic-a", token, `{"resourceType":"Sheep"}`, typeFHIR, 400},
		{"no JSON", "/fhir/clinic-a", token, "x", typeFHIR, 400},
		{"too large", "/fhir/clinic-a", token, strings.Repeat(" ", 1<<20) + line, typeFHIR, 413},
	} {
		before := f.requests()
		got := f.do(http.MethodPost, tt.path, tt.token, tt.body, "Content-Type", tt.media)
		if queued := f.requests() - before; got.status != tt.want || (queued == 1) != (tt.want == 202) {
			t.Errorf("%s: %d %s, want %d; %d requests", tt.name, got.status, got.body, tt.want, queued)
		}
	}
	post := func(body string) answer {
		return f.do(http.MethodPost, "/fhir/clinic-a", token, body, "Content-Type", typeFHIR, headerKey, "k", "Prefer", "respond-async, wait=1")
	}
	id, before := post(line).imported(t), f.requests() // nobody fetches, so it is not known in time
	if again := post(line); again.imported(t) != id || again.header.Get("Idempotency-Replayed") == "" || f.requests() != before {
		t.Errorf("again: %+v, want import %s; %d requests, before %d", again, id, f.requests(), before)
	}
	if got := post(line + " "); got.status != 422 {
		t.Errorf("the key of another: %d %s", got.status, got.body)
	}
}

// queries counts the statements that are sent to PostgreSQL, and those that add up.
type queries struct{ all, sums atomic.Int64 }

func (q *queries) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	q.all.Add(1)
	if strings.Contains(data.SQL, "stoker.totals") {
		q.sums.Add(1)
	}
	return ctx
}

func (q *queries) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// TestAwaitAsksLittle: who waits for an import has its state looked at, less and less often, and its account added up once, at the end.
func TestAwaitAsksLittle(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{})
	id := f.accepted("clinic-a")
	var asked queries
	cfg := f.Operator.Pool.Config()
	cfg.ConnConfig.Tracer = &asked
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	check(t, err)
	t.Cleanup(pool.Close)
	l := f.Ledger
	f.Ledger = ledger.New(pool)
	waited, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if _, err := f.await(waited, id); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the wait ended with %v", err)
	}
	if all, sums := asked.all.Load(), asked.sums.Load(); all > 10 || sums > 0 {
		t.Errorf("%d statements in two seconds, of which %d add up", all, sums)
	}
	check(t, l.Cancel(t.Context(), id))
	status, err := f.await(t.Context(), id)
	if err != nil || status.State != ledger.StateCancelled || status.Supplier != "clinic-a" || asked.sums.Load() != 1 {
		t.Errorf("at the end: %s of %q, %v; added up %d times, want once", status.State, status.Supplier, err, asked.sums.Load())
	}
}
