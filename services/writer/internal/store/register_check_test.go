package store

import (
	"fmt"
	"math"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// checkRows compares rows, tombstones and their versions.
func (m *machine) checkRows(t *rapid.T) {
	t.Helper()
	want := map[string]string{}
	for k, e := range m.model {
		if e.deleted() {
			want[k.String()+" tombstone"] = m.describe(e.version, false, true)
			if e.visible != "" {
				want[k.String()] = e.visible + " " + m.describe(oldest, false, false)
			}
			continue
		}
		want[k.String()] = e.visible + " " + m.describe(e.version, e.subsetted, !e.byHand)
	}
	if diff := cmp.Diff(want, m.rows(t)); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func (k key) String() string { return k.typ + "/" + k.id }

// describe is a version for people, with the numbers of imports instead of their times.
func (m *machine) describe(v fhirmsg.Version, subsetted, hashed bool) string {
	at := func(micros int64) string {
		if micros == math.MinInt64 {
			return "-infinity"
		}
		for n, i := range m.imports {
			if i.Issued == micros {
				return fmt.Sprintf("import %d", n)
			}
		}
		return fmt.Sprint(micros)
	}
	s := fmt.Sprintf("(%s, %s, %d, %d, %d)", at(v.Stamp), at(v.Issued), v.File, v.Line, v.Entry)
	if subsetted {
		s += " subsetted"
	}
	if !hashed {
		s += " by hand"
	}
	return s
}

// rows are those of the tables, in the form of checkRows.
func (m *machine) rows(t *rapid.T) map[string]string {
	const micros = `coalesce((extract(epoch FROM nullif(%[1]s, '-infinity')) * 1000000)::bigint, -9223372036854775808)`
	version := fmt.Sprintf(micros, "stamp") + ", " + fmt.Sprintf(micros, "issued") + ", file, line, entry"
	sql := `SELECT type, id, true, '', ` + version + `, false, true FROM fhir.tombstone`
	for _, typ := range types {
		sql += ` UNION ALL SELECT '` + typ + `', id, false, (resource->'x')::text, ` + version + `, subsetted, hash IS NOT NULL FROM ` + quoted(dataset, tableName(typ))
	}
	got := map[string]string{}
	rows, err := m.pool.Query(m.testing.Context(), sql)
	m.check(t, err)
	var k key
	var tombstone, subsetted, hashed bool
	var content string
	var v fhirmsg.Version
	_, err = pgx.ForEachRow(rows, []any{&k.typ, &k.id, &tombstone, &content, &v.Stamp, &v.Issued, &v.File, &v.Line, &v.Entry, &subsetted, &hashed}, func() error {
		if tombstone {
			got[k.String()+" tombstone"] = m.describe(v, false, true)
		} else {
			got[k.String()] = content + " " + m.describe(v, subsetted, hashed)
		}
		return nil
	})
	m.check(t, err)
	return got
}

// ended: nothing more can come of an import.
func (i *importing) ended() bool {
	return i.cancelled || i.closed && i.missing() == (missing{})
}

// missing is what is not accounted for, of lines and of resources. In part it may be negative: a batch
// may be stored before its chunk's statement is recorded.
type missing struct{ lines, resources int64 }

func (i *importing) missing() (left missing) {
	for _, c := range i.chunks {
		if c.fetched {
			left.lines += c.statement.Lines
		}
		if c.parsed {
			left.lines -= c.statement.Lines
			left.resources += c.statement.Plain + c.statement.Entries
		}
		for _, b := range c.batches {
			if b.stated {
				left.resources -= int64(b.Rows)
			}
		}
	}
	return left
}

// checkAccount compares the account of an import, settled if it can be, and returns it.
func (m *machine) checkAccount(t *rapid.T, i *importing) ledger.Status {
	t.Helper()
	m.check(t, m.ledger.Settle(m.testing.Context(), i.ID))
	s, err := m.ledger.Progress(m.testing.Context(), i.ID)
	m.check(t, err)
	left := i.missing()
	if s.Missing != left.lines+left.resources || s.Divergent != 0 {
		t.Errorf("missing %d, divergent %d, want missing %d", s.Missing, s.Divergent, left)
	}
	state := ledger.StateFetching
	switch {
	case i.cancelled:
		state = ledger.StateCancelled
	case i.ended():
		state = ledger.StateComplete
	case i.closed:
		state = ledger.StateDraining
	}
	if s.State != state {
		t.Errorf("state %s, want %s: %+v", s.State, state, left)
	}
	var lines ledger.Lines
	var counts ledger.Counts
	var total int64
	exact := true
	for _, c := range i.chunks {
		if c.fetched {
			lines.Read += c.statement.Lines
		}
		if c.parsed {
			lines.Parsed += c.statement.Lines
			lines.Blank += c.statement.Blank
			lines.Plain += c.statement.Plain
			lines.Bundles += c.statement.Bundles
		}
		for _, b := range c.batches {
			if b.stated {
				counts.Plus(b.counts)
				total += int64(b.Rows)
				exact = exact && b.exact
			}
		}
	}
	if s.Lines != lines {
		t.Errorf("lines %+v, want %+v", s.Lines, lines)
	}
	if exact && s.Resources.Counts != counts || s.Resources.Total() != total {
		t.Errorf("outcomes %+v, want %+v, %d in all", s.Resources.Counts, counts, total)
	}
	return s
}
