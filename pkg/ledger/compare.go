package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// Comparison is a delivery beside the one before it. It tells what was delivered; what a discard undid of it since is in the outcomes.
type Comparison struct {
	Import   fhirmsg.ImportID `json:"import"`
	Supplier string           `json:"supplier"`
	Dataset  string           `json:"dataset"`
	State    State            `json:"state"` // what has not ended may have more
	Now      Delivered        `json:"now"`
	Before   *Delivered       `json:"before,omitempty"` // nil: it is the first

	Findings []Finding        `json:"findings"` // what changed most, the greatest first
	Types    []TypeComparison `json:"types"`
	Rejects  []RejectReason   `json:"rejects"` // the most frequent first
}

// Delivered is a delivery in figures.
type Delivered struct {
	Import    fhirmsg.ImportID `json:"import"`
	Issued    time.Time        `json:"issued"`
	Files     int64            `json:"files"`
	Bytes     int64            `json:"bytes"` // decompressed
	Lines     int64            `json:"lines"`
	Resources int64            `json:"resources"` // that were seen in them
	Rejected  int64            `json:"rejected"`  // resources and lines
	Outcomes  Counts           `json:"outcomes"`
}

// RejectedShare is how much of what was read was rejected: 0 to 1.
func (d Delivered) RejectedShare() float64 { return share(d.Rejected, d.Resources+d.lost()) }

// lost are lines of which nothing could be taken: they are no resources that were seen.
func (d Delivered) lost() int64 { return max(0, d.Rejected-d.Outcomes.Rejected) }

// TypeComparison is a resource type.
type TypeComparison struct {
	Type     string              `json:"type"`
	Now      TypeFigures         `json:"now"`
	Before   TypeFigures         `json:"before"`
	Elements []ElementComparison `json:"elements,omitempty"` // by name; none where nothing was validated
}

// TypeFigures are of the resources of a type.
type TypeFigures struct {
	Resources int64  `json:"resources"` // that reached the store, whatever became of them
	Outcomes  Counts `json:"outcomes"`
	Profiled  int64  `json:"profiled"`        // that were looked into: all that could be read, rejected or not
	First     string `json:"first,omitempty"` // the earliest date of what they tell of: YYYY, YYYY-MM or YYYY-MM-DD
	Last      string `json:"last,omitempty"`  // the latest
}

// ElementComparison is how many of the resources that were looked into have an element.
type ElementComparison struct {
	Element string  `json:"element"` // valueQuantity
	Now     int64   `json:"now"`
	Before  int64   `json:"before"`
	Rate    float64 `json:"rate"`        // 0 to 1
	Last    float64 `json:"rate_before"` // 0 to 1; 0 where there were none
}

// RejectReason is what was found in what was delivered, by kind, whether it was rejected for it or not.
type RejectReason struct {
	Severity   string `json:"severity"`
	Code       string `json:"code"`
	Expression string `json:"expression"` // "" is the line as a whole
	Now        int64  `json:"now"`
	Before     int64  `json:"before"`
}

func share(n, of int64) float64 {
	if of == 0 {
		return 0
	}
	return float64(n) / float64(of)
}

// compareTimeout is how long a comparison may take, all of its queries together, where an import has millions of chunks.
const compareTimeout = time.Minute

// Compare compares an import with another one of its supplier and dataset, or, if that is zero, with the newest complete one before it
// that was neither a retry nor mended another. It holds a connection for a minute at most. Errors: [ErrNotFound], of either; it is
// also that of another supplier or dataset; [context.DeadlineExceeded] where it takes longer.
func (l *Ledger) Compare(ctx context.Context, id, against fhirmsg.ImportID) (c Comparison, err error) {
	ctx, cancel := context.WithTimeout(ctx, compareTimeout)
	defer cancel()
	err = pgx.BeginTxFunc(ctx, l.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		now, err := head(ctx, tx, id)
		if err != nil {
			return err
		}
		c = Comparison{Import: id, Supplier: now.Supplier, Dataset: now.Dataset, State: now.State, Findings: []Finding{}, Types: []TypeComparison{}, Rejects: []RejectReason{}}
		before, found, err := previous(ctx, tx, now, against)
		if err != nil {
			return err
		}
		if c.Now, err = delivered(ctx, tx, now); err != nil {
			return err
		}
		if found {
			d, err := delivered(ctx, tx, before)
			if err != nil {
				return err
			}
			c.Before = &d
		}
		if err := c.addTypes(ctx, tx, before.Import); err != nil {
			return err
		}
		return c.addRejects(ctx, tx, before.Import)
	})
	if err != nil {
		return c, fmt.Errorf("compare import %s: %w", id, err)
	}
	c.Findings = append(c.Findings, c.find()...)
	return c, nil
}

// previous is the import that another one is compared with.
func previous(ctx context.Context, tx pgx.Tx, now Status, against fhirmsg.ImportID) (before Status, found bool, err error) {
	var id [16]byte
	if against != (fhirmsg.ImportID{}) {
		err = tx.QueryRow(ctx, `SELECT id FROM stoker.import WHERE id = $1 AND supplier = $2 AND dataset = $3`,
			[16]byte(against), now.Supplier, now.Dataset).Scan(&id)
		err = notFound(err)
	} else {
		err = tx.QueryRow(ctx, `SELECT id FROM stoker.import WHERE supplier = $1 AND dataset = $2 AND issued < $3 AND state = 'complete'
			AND retry IS NULL AND mends IS NULL ORDER BY issued DESC LIMIT 1`, now.Supplier, now.Dataset, now.Issued).Scan(&id)
		if errors.Is(err, pgx.ErrNoRows) {
			return before, false, nil
		}
	}
	if err != nil {
		return before, false, err
	}
	before, err = head(ctx, tx, id)
	return before, true, err
}

func delivered(ctx context.Context, tx pgx.Tx, s Status) (Delivered, error) {
	d := Delivered{
		Import: s.Import, Issued: s.Issued, Lines: s.Lines.Read, Resources: s.Resources.Seen,
		Rejected: s.Resources.Rejected + s.Lines.Rejected, Outcomes: s.Resources.Counts,
	}
	err := tx.QueryRow(ctx, `SELECT (SELECT count(*) FROM stoker.file WHERE import = $1),
		(SELECT coalesce(sum(length), 0)::bigint FROM stoker.fetched WHERE import = $1)`, [16]byte(s.Import)).Scan(&d.Files, &d.Bytes)
	return d, err
}

// addTypes compares by type. A zero import before is none.
func (c *Comparison) addTypes(ctx context.Context, tx pgx.Tx, before fhirmsg.ImportID) error {
	of := map[string]*TypeComparison{}
	get := func(name string) *TypeComparison {
		if of[name] == nil {
			of[name] = &TypeComparison{Type: name}
		}
		return of[name]
	}
	var elements [2]map[string]map[string]int64
	for i, id := range []fhirmsg.ImportID{c.Import, before} {
		counts, err := byType(ctx, tx, id)
		if err != nil {
			return err
		}
		had, err := profiles(ctx, tx, id)
		if err != nil {
			return err
		}
		elements[i] = map[string]map[string]int64{}
		figures := func(name string) *TypeFigures {
			if i == 0 {
				return &get(name).Now
			}
			return &get(name).Before
		}
		for name, n := range counts {
			f := figures(name)
			f.Resources, f.Outcomes = n.Total(), n
		}
		for name, p := range had {
			f := figures(name)
			f.Profiled, f.First, f.Last = p.Resources, p.First, p.Last
			elements[i][name] = p.Elements
		}
	}
	for _, name := range sortedKeys(of) {
		t := of[name]
		t.addElements(elements[0][name], elements[1][name])
		c.Types = append(c.Types, *t)
	}
	return nil
}

func (t *TypeComparison) addElements(now, before map[string]int64) {
	all := map[string]bool{}
	for name := range now {
		all[name] = true
	}
	for name := range before {
		all[name] = true
	}
	for _, name := range sortedKeys(all) {
		t.Elements = append(t.Elements, ElementComparison{
			Element: name, Now: now[name], Before: before[name],
			Rate: share(now[name], t.Now.Profiled), Last: share(before[name], t.Before.Profiled),
		})
	}
}

// addRejects compares what was found by its kind. A zero import before is none.
func (c *Comparison) addRejects(ctx context.Context, tx pgx.Tx, before fhirmsg.ImportID) error {
	rows, err := tx.Query(ctx, `SELECT severity, code, expression, coalesce(sum(count) FILTER (WHERE import = $1), 0)::bigint AS now,
			coalesce(sum(count) FILTER (WHERE import = $2), 0)::bigint AS before
		FROM stoker.issue WHERE import IN ($1, $2) GROUP BY severity, code, expression
		ORDER BY now DESC, before DESC, severity, code, expression LIMIT $3`, [16]byte(c.Import), [16]byte(before), maxIssueKinds)
	if err != nil {
		return fmt.Errorf("reasons of rejects: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[RejectReason])
	if err != nil {
		return fmt.Errorf("reasons of rejects: %w", err)
	}
	c.Rejects = append(c.Rejects, found...)
	return nil
}
