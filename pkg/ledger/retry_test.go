package ledger

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

func reject(line int64, entry int32, raw string) fhirmsg.Reject {
	return fhirmsg.Reject{Line: line, Entry: entry, Offset: 10 * line, Raw: []byte(raw), Issues: []fhirmsg.Issue{{Severity: "error", Code: "value", Diagnostics: "x"}}}
}

// rejectedImport is complete; all of its lines were rejected.
func (l *Ledger) rejectedImport(t *testing.T, rejects ...fhirmsg.Reject) fhirmsg.Import {
	t.Helper()
	n := int64(len(rejects))
	imp := l.fetchOne(t, n)
	check(t, l.RecordParsed(t.Context(), []fhirmsg.Statement{parsedStatement(imp, n, 0)}))
	check(t, l.RecordRejects(t.Context(), []fhirmsg.Rejects{{RejectsHeader: fhirmsg.RejectsHeader{Import: imp}, Items: rejects}}))
	check(t, l.NewSweeper().Sweep(t.Context()))
	return imp
}

func (l *Ledger) mustRetry(t *testing.T, id fhirmsg.ImportID, v fhirmsg.Validation) (fhirmsg.Import, State) {
	t.Helper()
	req, err := l.Retry(t.Context(), id, v)
	check(t, err)
	req.ID = newRequest(t).ID
	check(t, req.WithDefaults().Check())
	imp, state, err := l.Accept(t.Context(), req, 2, "d")
	check(t, err)
	return imp, state
}

func TestRetryPinsTheOriginalVersion(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	req := newRequest(t)
	asOf := time.UnixMicro(1_700_000_000_000_000).UTC()
	req.Mode, req.AsOf, req.Supplier, req.Dataset, req.Validation = fhirmsg.ModeSync, &asOf, "clinic-a", "research", fhirmsg.ValidationStrict
	original := l.mustAccept(t, req)
	check(t, l.Cancel(t.Context(), original.ID))
	if _, err := l.Retry(t.Context(), original.ID, ""); !errors.Is(err, ErrState) {
		t.Errorf("retrying what has no rejects: %v, want ErrState", err)
	}
	check(t, l.RecordParsed(t.Context(), []fhirmsg.Statement{parsedStatement(original, 1, 0)}))
	check(t, l.RecordRejects(t.Context(), []fhirmsg.Rejects{{RejectsHeader: fhirmsg.RejectsHeader{Import: original}, Items: []fhirmsg.Reject{reject(1, 0, "{}")}}}))

	first, state := l.mustRetry(t, original.ID, fhirmsg.ValidationWarn)
	if state != StateAccepted || first.Retry != original.ID || first.Accepted <= original.Issued {
		t.Errorf("%s, %+v", state, first)
	}
	want := original
	want.ID, want.Retry, want.Accepted, want.Validation = first.ID, original.ID, first.Accepted, fhirmsg.ValidationWarn
	if diff := cmp.Diff(want, first); diff != "" {
		t.Errorf("pins (-want +got):\n%s", diff)
	}
	second, _ := l.mustRetry(t, original.ID, "")
	if second.Validation != fhirmsg.ValidationStrict || second.Issued != original.Issued || second.Accepted <= first.Accepted {
		t.Errorf("a second retry: %+v", second)
	}
	s, err := l.Status(t.Context(), original.ID)
	check(t, err)
	if !cmp.Equal(s.Retries, []fhirmsg.ImportID{first.ID, second.ID}) {
		t.Errorf("retries %v", s.Retries)
	}
	s, err = l.Status(t.Context(), first.ID)
	check(t, err)
	if s.RetryOf == nil || *s.RetryOf != original.ID || s.Issued.UnixMicro() != first.Accepted {
		t.Errorf("status of the retry: of %v, issued %s", s.RetryOf, s.Issued)
	}

	// After a restore, its row is made again beside that of the original.
	_, err = l.pool.Exec(t.Context(), `DELETE FROM stoker.import WHERE id = ANY($1)`, [][16]byte{first.ID, original.ID})
	check(t, err)
	check(t, pgx.BeginFunc(t.Context(), l.pool, func(tx pgx.Tx) error {
		_, err := EnsureImport(t.Context(), tx, first.Dataset, []fhirmsg.Import{first, original})
		return err
	}))
	s, err = l.Status(t.Context(), first.ID)
	check(t, err)
	if s.RetryOf == nil || *s.RetryOf != original.ID || s.Issued.UnixMicro() != first.Accepted {
		t.Errorf("status of the retry, made again: of %v, issued %s", s.RetryOf, s.Issued)
	}
}

func TestRetryIsRefused(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	open := l.mustAccept(t, newRequest(t))
	if _, err := l.Retry(t.Context(), open.ID, ""); !errors.Is(err, ErrState) {
		t.Errorf("retrying what has not ended: %v, want ErrState", err)
	}
	if _, err := l.Retry(t.Context(), fhirmsg.ImportID{9}, ""); !errors.Is(err, ErrNotFound) {
		t.Errorf("retrying what is not there: %v, want ErrNotFound", err)
	}
	for want, id := range map[string]fhirmsg.ImportID{"has ended": open.ID, "not known": {9}} {
		req := newRequest(t)
		req.Sources, req.Retry = nil, id
		_, state, err := l.Accept(t.Context(), req, 2, "")
		check(t, err)
		s, err := l.Status(t.Context(), req.ID)
		check(t, err)
		if state != StateFailed || !strings.Contains(s.Reason, want) {
			t.Errorf("%s: %s, want failed: … %s", state, s.Reason, want)
		}
	}
}

// TestRetryWaitsForRejects: an import may be complete before its rejects are in the ledger.
func TestRetryWaitsForRejects(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	imp := l.fetchOne(t, 2)
	check(t, l.RecordParsed(t.Context(), []fhirmsg.Statement{parsedStatement(imp, 2, 0)}))
	check(t, l.Settle(t.Context(), imp.ID))
	req, err := l.Retry(t.Context(), imp.ID, "")
	check(t, err)
	req.ID = newRequest(t).ID
	if _, _, err := l.Accept(t.Context(), req, 2, "d"); !errors.Is(err, errRejectsUnderWay) {
		t.Fatalf("accepted without rejects: %v", err)
	}
	_, err = l.pool.Exec(t.Context(), `UPDATE stoker.import SET ended = ended - interval '1 hour' WHERE id = $1`, [16]byte(imp.ID))
	check(t, err)
	if _, state, err := l.Accept(t.Context(), req, 2, "d"); err != nil || state != StateFailed {
		t.Errorf("an hour later: %s, %v; want failed", state, err)
	}
}

// TestCountingHoldsUpNobody: while the rejects of an import that is retried or mended are counted, others are accepted. One that changes
// meanwhile is counted again.
func TestCountingHoldsUpNobody(t *testing.T) {
	t.Parallel()
	for name, about := range map[string]func(*fhirmsg.ImportRequest, fhirmsg.ImportID){
		"retry": func(r *fhirmsg.ImportRequest, id fhirmsg.ImportID) { r.Sources, r.Retry = nil, id },
		"mends": func(r *fhirmsg.ImportRequest, id fhirmsg.ImportID) { r.Mends = id },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLedger(t)
			original := l.rejectedImport(t, reject(1, 0, "{}"))
			req := newRequest(t)
			about(&req, original.ID)
			// hold has a statement hold up the acceptance, and something done meanwhile.
			hold := func(statement string, meanwhile func()) error {
				t.Helper()
				tx, err := l.pool.Begin(t.Context())
				check(t, err)
				defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
				_, err = tx.Exec(t.Context(), statement)
				check(t, err)
				accepted := make(chan error, 1)
				go func() {
					_, _, err := l.Accept(t.Context(), req, 2, "d")
					accepted <- err
				}()
				l.waitForWaiter(t)
				meanwhile()
				check(t, tx.Commit(t.Context()))
				return <-accepted
			}
			err := hold(`UPDATE stoker.clock SET last = last`, func() {
				_, err := l.pool.Exec(t.Context(), `INSERT INTO stoker.discard (import, file) VALUES ($1, -1)`, [16]byte(original.ID))
				check(t, err)
			})
			if !errors.Is(err, errMoved) {
				t.Errorf("accepted though the original was discarded since it was read: %v", err)
			}
			_, err = l.pool.Exec(t.Context(), `DELETE FROM stoker.discard`)
			check(t, err)
			check(t, hold(`LOCK TABLE stoker.reject IN ACCESS EXCLUSIVE MODE`, func() {
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				if _, state, err := l.Accept(ctx, newRequest(t), 2, "d"); err != nil || state != StateAccepted {
					t.Errorf("another import: %s, %v", state, err)
				}
			}))
			if state := l.state(t, req.ID); state != StateAccepted {
				t.Errorf("it is %s", state)
			}
		})
	}
}

// waitForWaiter waits until a backend of this database waits for a lock.
func (l *Ledger) waitForWaiter(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		var waiting bool
		check(t, l.pool.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock')`).Scan(&waiting))
		if waiting {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("nobody waits for a lock")
		}
	}
}

func TestRejectsOfAFile(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	cut, stored := reject(9, 0, "x"), reject(8, 0, "")
	cut.Cut, stored.Stored = true, true
	imp := l.rejectedImport(t, reject(1, 0, "aa"), reject(3, -2, "bbb"), reject(3, -1, "c"), reject(3, 4, "dddd"), reject(7, 0, ""), stored, cut)
	files, skipped, err := l.RejectedFiles(t.Context(), imp.ID)
	check(t, err)
	if len(files) != 1 || files[0].Name != "a" || len(skipped) != 1 || skipped[0].Name != "a, line 9" {
		t.Errorf("files %+v, skipped %+v", files, skipped)
	}
	var got []RejectSize
	for after := (RejectSize{}); ; after = got[len(got)-1] {
		sizes, err := l.RejectSizes(t.Context(), imp.ID, 0, after, 2)
		check(t, err)
		if len(sizes) == 0 {
			break
		}
		got = append(got, sizes...)
	}
	want := []RejectSize{{1, 0, 2}, {3, -2, 3}, {3, -1, 1}, {3, 4, 4}, {7, 0, 0}}
	if !cmp.Equal(got, want) {
		t.Errorf("sizes %v, want %v", got, want)
	}
	rows, err := l.RejectsFrom(t.Context(), imp.ID, 0, want[1], want[3])
	check(t, err)
	if len(rows) != 3 || string(rows[0].Raw) != "bbb" || string(rows[2].Raw) != "dddd" {
		t.Errorf("rows %+v", rows)
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		reject fhirmsg.Reject
		want   string
	}{
		{"a line", fhirmsg.Reject{Raw: []byte("not\tJSON \xff")}, "not\tJSON \xff"},
		{"a document", fhirmsg.Reject{Raw: []byte("{\n\"a\": 1\n}")}, `{ "a": 1 }`},
		{"a document that is not JSON", fhirmsg.Reject{Raw: []byte("{\n\"a\": }")}, "{\n\"a\": }"},
		{"an entry without a key", fhirmsg.Reject{Entry: 2, Raw: []byte("{\n}")}, `{"resourceType":"Bundle","type":"batch","entry":[{ }]}`},
		{"an entry that is not taken, with a key", fhirmsg.Reject{Entry: 2, Type: "Patient", ID: "a", Raw: []byte(`{"resource":{}}`)}, `{"resourceType":"Bundle","type":"batch","entry":[{"resource":{}}]}`},
		{"an invalid entry", fhirmsg.Reject{Entry: -2, Type: "Patient", ID: "a b", Raw: []byte(`{"resource":1,"response":{"lastModified":"2020-01-01T00:00:00Z"}}`), Resource: []byte(`{"resourceType":"Patient"}`)},
			`{"resourceType":"Bundle","type":"history","entry":[{"resource":{"resourceType":"Patient"},"request":{"method":"PUT","url":"Patient/a%20b"},"response":{"status":"200","lastModified":"2020-01-01T00:00:00Z"}}]}`},
		{"an entry that PostgreSQL refused", fhirmsg.Reject{Entry: 2, Type: "Patient", ID: "a", Raw: []byte(`{"resourceType":"Patient"}`)},
			`{"resourceType":"Bundle","type":"batch","entry":[{"resource":{"resourceType":"Patient"},"request":{"method":"PUT","url":"Patient/a"}}]}`},
	}
	for _, tt := range tests {
		if got := string(RejectRow{Reject: tt.reject}.Text()); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// TestMendsWaits: nothing mends an import that may still reject something, except one that is paused; and the last of its
// rejects are waited for.
func TestMendsWaits(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	first := l.fetchOne(t, 1)
	mend := func() (State, string, error) {
		t.Helper()
		req := newRequest(t)
		req.Mends = first.ID
		_, state, err := l.Accept(t.Context(), req, 2, "d")
		if err != nil {
			return state, "", err
		}
		s, statusErr := l.Status(t.Context(), req.ID)
		check(t, statusErr)
		return state, s.Reason, nil
	}
	if state, reason, err := mend(); err != nil || state != StateFailed || !strings.Contains(reason, "can be mended once it has ended") {
		t.Errorf("while it is read: %s (%s), %v", state, reason, err)
	}
	set := func(state State) {
		t.Helper()
		_, err := l.pool.Exec(t.Context(), `UPDATE stoker.import SET state = $2, ended = CASE WHEN $2 = 'complete' THEN clock_timestamp() END WHERE id = $1`, [16]byte(first.ID), string(state))
		check(t, err)
	}
	check(t, l.RecordParsed(t.Context(), []fhirmsg.Statement{parsedStatement(first, 1, 0)}))
	set(StatePaused)
	if state, reason, err := mend(); err != nil || state != StateAccepted {
		t.Errorf("while it is paused: %s (%s), %v", state, reason, err)
	}
	set(StateComplete)
	if _, _, err := mend(); !errors.Is(err, errRejectsUnderWay) {
		t.Errorf("while a reject is under way: %v", err)
	}
	check(t, l.RecordRejects(t.Context(), []fhirmsg.Rejects{{RejectsHeader: fhirmsg.RejectsHeader{Import: first}, Items: []fhirmsg.Reject{reject(1, 0, "{}")}}}))
	if state, reason, err := mend(); err != nil || state != StateAccepted {
		t.Errorf("when all are there: %s (%s), %v", state, reason, err)
	}
}
