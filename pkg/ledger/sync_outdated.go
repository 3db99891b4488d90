package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// RejectedKey is the newest version of a key that imports of a sync brought and that was rejected, without a retry, or an import
// that mends, having resolved it.
type RejectedKey struct {
	Type   string           `json:"type"`
	ID     string           `json:"id"` // as its supplier knows it
	Import fhirmsg.ImportID `json:"import"`
	File   string           `json:"file"`
	Line   int64            `json:"line"`
	Reason string           `json:"reason"` // of its first issue: severity, code and where

	Stamp  time.Time `json:"-"` // with Issued its version
	Issued time.Time `json:"-"`
}

// RejectedKeys returns at most limit of a sync's rejected keys, those that were rejected last first, and how many rejects there are
// of which it is not known what they are of. Only imports into the dataset that the sync delivers into now count, as long
// as their runs and their rejects are kept.
func (l *Ledger) RejectedKeys(ctx context.Context, s Sync, limit int) (list []RejectedKey, unknown int64, err error) {
	const open = ` FROM stoker.sync_run n JOIN stoker.import i ON i.id = n.import JOIN stoker.reject r ON r.import = i.id
		WHERE n.sync = $1 AND i.dataset = $2 AND NOT r.stored
			AND NOT EXISTS (SELECT FROM stoker.resolved v WHERE (v.import, v.file, v.line, v.entry) = (r.import, r.file, r.line, r.entry))
			AND NOT EXISTS (SELECT FROM stoker.discard d WHERE d.import = r.import AND d.file IN (-1, r.file))`
	const known = `(r.type NOT IN ('', 'Bundle') AND r.id <> '')`
	rows, err := l.pool.Query(ctx, `SELECT k.type, k.id, k.import, coalesce(f.name, ''), k.line, k.issues, k.raw, k.pins, k.issued, f.as_of
		FROM (SELECT DISTINCT ON (r.type, r.id) r.type, r.id, r.import, r.file, r.line, r.issues, i.pins, i.issued,
				CASE WHEN NOT r.cut AND length(r.raw) <= $4 THEN r.raw END AS raw`+open+` AND `+known+`
			ORDER BY r.type, r.id, i.issued DESC, r.file DESC, r.line DESC) k
		LEFT JOIN stoker.file f ON f.import = k.import AND f.file = k.file
		ORDER BY k.issued DESC, k.type, k.id LIMIT $3`, s.Name, s.Into, limit, maxRejectedRaw)
	if err == nil {
		list, err = pgx.CollectRows(rows, scanRejectedKey)
	}
	if err == nil {
		err = l.pool.QueryRow(ctx, `SELECT count(*)`+open+` AND NOT `+known, s.Name, s.Into).Scan(&unknown)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("rejected keys of sync %s: %w", s.Name, err)
	}
	return list, unknown, nil
}

// maxRejectedRaw is how many bytes of a reject are looked at for when it was changed at its source.
const maxRejectedRaw = 1 << 20

func scanRejectedKey(row pgx.CollectableRow) (k RejectedKey, err error) {
	var issues []fhirmsg.Issue
	var raw []byte
	var pins fhirmsg.Import
	var asOf *time.Time
	if err := row.Scan(&k.Type, &k.ID, (*[16]byte)(&k.Import), &k.File, &k.Line, &issues, &raw, &pins, &k.Issued, &asOf); err != nil {
		return k, err
	}
	if len(issues) > 0 {
		k.Reason = issues[0].Severity + " " + issues[0].Code
		if e := issues[0].Expression; e != "" {
			k.Reason += " at " + e
		}
	}
	k.Stamp = k.Issued
	if pins.Mode != fhirmsg.ModeSync {
		return k, nil
	}
	switch changed := lastUpdated(raw); {
	case !changed.IsZero():
		k.Stamp = changed
	case pins.AsOf != nil:
		k.Stamp = time.UnixMicro(*pins.AsOf)
	case asOf != nil:
		k.Stamp = *asOf
	}
	if k.Stamp.After(k.Issued) {
		k.Stamp = k.Issued
	}
	return k, nil
}

// lastUpdated is when what was rejected, a resource or an entry of a Bundle, was changed at its source; zero is unknown.
func lastUpdated(raw []byte) time.Time {
	type resource struct {
		Meta struct {
			LastUpdated string `json:"lastUpdated"`
		} `json:"meta"`
	}
	var r struct {
		resource
		Resource resource `json:"resource"`
		Response struct {
			LastModified string `json:"lastModified"`
		} `json:"response"`
	}
	_ = json.Unmarshal(raw, &r) // a reject may be anything; what can be read of it counts
	for _, s := range []string{r.Meta.LastUpdated, r.Resource.Meta.LastUpdated, r.Response.LastModified} {
		if t, err := time.Parse(time.RFC3339, s); err == nil {
			return t
		}
	}
	return time.Time{}
}
