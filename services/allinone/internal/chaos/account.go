package chaos

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/stoker-fhir/stoker/pkg/fhirdef"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// account is what a run left behind.
type account struct {
	imports []ledger.Status   // in their order
	digests map[string]string // by dataset
	rejects string            // a digest over all of them
	dead    uint64            // letters
}

// accountOf asks the ledger and the tables. The prefix is that of the datasets.
func (p *pipeline) accountOf(ctx context.Context, ids []fhirmsg.ImportID, prefix string) (account, error) {
	a := account{digests: map[string]string{}}
	for _, id := range ids {
		s, err := p.ledger().Status(ctx, id)
		if err != nil {
			return a, err
		}
		a.imports = append(a.imports, s)
	}
	var err error
	for _, dataset := range datasets {
		if a.digests[dataset], err = digest(ctx, p.database.pool(), prefix+dataset); err != nil {
			return a, err
		}
	}
	if a.rejects, err = rejectDigest(ctx, p.database.pool(), ids); err != nil {
		return a, err
	}
	a.dead, err = p.dead(ctx)
	return a, err
}

// faults says what is wrong with an account. reference is that of the undisturbed run, or nil.
func (a account) faults(reference *account) (wrong []string) {
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	for i, s := range a.imports {
		l, r := s.Lines, s.Resources
		if s.State != ledger.StateComplete {
			say("import %d is %s: %s", i, s.State, s.Reason)
		}
		if s.Missing != 0 || s.Divergent != 0 {
			say("import %d: missing %d, divergent %d", i, s.Missing, s.Divergent)
		}
		if l.Read != l.Parsed || l.Read != l.Blank+l.Control+l.Rejected+l.Plain+l.Bundles {
			say("import %d: lines do not balance: %+v", i, l)
		}
		if r.Seen != r.Ignored+r.Total() {
			say("import %d: resources do not balance: %+v", i, r)
		}
		if reference == nil {
			continue
		}
		want := reference.imports[i]
		if l != want.Lines || r.Seen != want.Resources.Seen || r.Ignored != want.Resources.Ignored || r.Rejected != want.Resources.Rejected {
			say("import %d: %+v, %+v; undisturbed %+v, %+v", i, l, r, want.Lines, want.Resources)
		}
	}
	if a.dead > 0 {
		say("%d dead letters", a.dead)
	}
	if reference == nil {
		return wrong
	}
	for _, dataset := range datasets {
		if got, want := a.digests[dataset], reference.digests[dataset]; got != want {
			say("dataset %s: digest %s, undisturbed %s", dataset, got, want)
		}
	}
	if a.rejects != reference.rejects {
		say("rejects: digest %s, undisturbed %s", a.rejects, reference.rejects)
	}
	return wrong
}

func (p *pipeline) dead(ctx context.Context) (uint64, error) {
	return p.messages(ctx, fhirmsg.StreamDead)
}

// digest is over type, id, deletion and resource of everything in a dataset, with how many there are.
func digest(ctx context.Context, pool *pgxpool.Pool, dataset string) (string, error) {
	var names []string
	for _, t := range fhirdef.ResourceTypes(fhirmsg.FHIRVersionR4) {
		names = append(names, strings.ToLower(t))
	}
	rows, err := pool.Query(ctx, `SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') AND c.relname = ANY ($2) ORDER BY 1`, dataset, names)
	if err != nil {
		return "", fmt.Errorf("tables of %s: %w", dataset, err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return "", fmt.Errorf("tables of %s: %w", dataset, err)
	}
	parts := []string{`SELECT lower(type) AS type, id, true AS deleted, '' AS resource FROM ` + pgx.Identifier{dataset, "tombstone"}.Sanitize()}
	for _, table := range tables {
		parts = append(parts, fmt.Sprintf(`SELECT '%s', id, false, resource::text FROM %s`, table, pgx.Identifier{dataset, table}.Sanitize()))
	}
	var sum string
	// Row by row to 32 digits, so that only those are gathered.
	err = pool.QueryRow(ctx, `SELECT count(*) || ' ' || coalesce(md5(string_agg(md5(concat_ws('|', type, id, deleted, resource)), ''
			ORDER BY type COLLATE "C", id COLLATE "C", deleted)), '')
		FROM (`+strings.Join(parts, " UNION ALL ")+`) all_rows`).Scan(&sum)
	if err != nil {
		return "", fmt.Errorf("digest of %s: %w", dataset, err)
	}
	return sum, nil
}

// rejectDigest is over the place and the content of all rejects, imports by their number.
func rejectDigest(ctx context.Context, pool *pgxpool.Pool, ids []fhirmsg.ImportID) (sum string, err error) {
	err = pool.QueryRow(ctx, `SELECT count(*) || ' ' || coalesce(md5(string_agg(concat_ws('|', i.number, r.file, r.line, r.entry, md5(r.raw)), ' '
			ORDER BY i.number, r.file, r.line, r.entry)), '')
		FROM unnest($1::uuid[]) WITH ORDINALITY i (id, number) JOIN stoker.reject r ON r.import = i.id
		WHERE NOT r.stored`, plain(ids)).Scan(&sum)
	if err != nil {
		return "", fmt.Errorf("digest of the rejects: %w", err)
	}
	return sum, nil
}

// plain is in a form that pgx knows.
func plain(ids []fhirmsg.ImportID) [][16]byte {
	all := make([][16]byte, len(ids))
	for i, id := range ids {
		all[i] = id
	}
	return all
}
