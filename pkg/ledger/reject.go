package ledger

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// RejectRow is a reject with the name of its file.
type RejectRow struct {
	Import   fhirmsg.ImportID
	Issued   time.Time // when the import was accepted
	FileName string
	fhirmsg.Reject
}

// Text is what to mend and import again: the line as it came, or, for an entry of a Bundle,
// a batch Bundle that holds just this entry.
func (r RejectRow) Text() []byte {
	if r.Entry == 0 {
		return r.Raw
	}
	line := append([]byte(`{"resourceType":"Bundle","type":"batch","entry":[`), r.Raw...)
	return bytes.ReplaceAll(append(line, `]}`...), []byte("\n"), []byte(" "))
}

// Extensions of a reject's OperationOutcome: where the line came from.
const extensionBase = "https://stoker-fhir.github.io/fhir/StructureDefinition/"

type outcome struct {
	ResourceType string         `json:"resourceType"`
	Extension    []extension    `json:"extension"`
	Issue        []outcomeIssue `json:"issue"`
}

type extension struct {
	URL          string `json:"url"`
	ValueString  string `json:"valueString,omitempty"`
	ValueDecimal *int64 `json:"valueDecimal,omitempty"` // integer ends at 2^31 in R4
}

type outcomeIssue struct {
	Severity    string   `json:"severity"`
	Code        string   `json:"code"`
	Diagnostics string   `json:"diagnostics"`
	Expression  []string `json:"expression,omitempty"`
}

// OperationOutcome is the reject as a FHIR resource
// (https://hl7.org/fhir/R4/operationoutcome.html), in which extensions tell import, file,
// line, entry and byte offset. The diagnostics repeat file and line for people.
func (r RejectRow) OperationOutcome() ([]byte, error) {
	entry := int64(r.Entry)
	o := outcome{ResourceType: "OperationOutcome", Extension: []extension{
		{URL: extensionBase + "import", ValueString: r.Import.String()},
		{URL: extensionBase + "file", ValueString: r.FileName},
		{URL: extensionBase + "line", ValueDecimal: &r.Line},
		{URL: extensionBase + "offset", ValueDecimal: &r.Offset},
	}}
	place := fmt.Sprintf("%s, line %d", r.FileName, r.Line)
	if entry != 0 {
		entry = max(entry, -entry)
		o.Extension = append(o.Extension, extension{URL: extensionBase + "entry", ValueDecimal: &entry})
		place += fmt.Sprintf(", entry %d", entry)
	}
	for _, issue := range r.Issues {
		i := outcomeIssue{Severity: issue.Severity, Code: issue.Code, Diagnostics: place + ": " + issue.Diagnostics}
		if issue.Expression != "" {
			i.Expression = []string{issue.Expression}
		}
		o.Issue = append(o.Issue, i)
	}
	b, err := json.Marshal(o)
	if err != nil {
		return nil, fmt.Errorf("encode OperationOutcome: %w", err)
	}
	return b, nil
}

const rejectColumns = `r.import, coalesce(i.issued, '-infinity'), coalesce(f.name, ''), r.line, r.entry, r.off, r.type, r.id, r.issues, r.raw, r.cut
	FROM stoker.reject r
	LEFT JOIN stoker.file f ON f.import = r.import AND f.file = r.file
	LEFT JOIN stoker.import i ON i.id = r.import`

// Rejects yields an import's rejects in the order of its files and lines.
func (l *Ledger) Rejects(ctx context.Context, id fhirmsg.ImportID, each func(RejectRow) error) error {
	rows, err := l.pool.Query(ctx, `SELECT `+rejectColumns+` WHERE r.import = $1 ORDER BY r.file, r.line, abs(r.entry)`, [16]byte(id))
	if err != nil {
		return fmt.Errorf("rejects of import %s: %w", id, err)
	}
	defer rows.Close()
	for rows.Next() {
		row, err := scanReject(rows)
		if err != nil {
			return fmt.Errorf("rejects of import %s: %w", id, err)
		}
		if err := each(row); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("rejects of import %s: %w", id, err)
	}
	return nil
}

// RejectsOf returns the rejects of one resource in a dataset, as far as its type and id
// could be read.
func (l *Ledger) RejectsOf(ctx context.Context, dataset, resourceType, id string) ([]RejectRow, error) {
	rows, err := l.pool.Query(ctx, `SELECT `+rejectColumns+`
		WHERE i.dataset = $1 AND r.type = $2 AND r.id = $3 ORDER BY i.issued, r.file, r.line`, dataset, resourceType, id)
	if err != nil {
		return nil, fmt.Errorf("rejects of a resource: %w", err)
	}
	list, err := pgx.CollectRows(rows, scanReject)
	if err != nil {
		return nil, fmt.Errorf("rejects of a resource: %w", err)
	}
	return list, nil
}

func scanReject(rows pgx.CollectableRow) (RejectRow, error) {
	var r RejectRow
	err := rows.Scan((*[16]byte)(&r.Import), &r.Issued, &r.FileName, &r.Line, &r.Entry, &r.Offset, &r.Type, &r.ID, &r.Issues, &r.Raw, &r.Cut)
	return r, err
}

// OutcomeOf returns the file of a batch and what became of one of its resources, in words;
// "in flight" where no writer has stated it yet.
func (l *Ledger) OutcomeOf(ctx context.Context, batch fhirmsg.BatchHeader, index int) (file, outcome string, err error) {
	var letter *int32
	err = l.pool.QueryRow(ctx, `SELECT
			coalesce((SELECT name FROM stoker.file WHERE import = $1 AND file = $2), ''),
			(SELECT get_byte(outcomes, $3) FROM stoker.written
			 WHERE import = $1 AND file = $2 AND off = $4 AND type = $5 AND part = $6 AND fingerprint = $7)`,
		[16]byte(batch.Import.ID), batch.File, index, batch.Offset, batch.Type, batch.Part, [16]byte(batch.Fingerprint)).Scan(&file, &letter)
	if err != nil {
		return "", "", fmt.Errorf("outcome of a resource: %w", err)
	}
	if letter == nil {
		return file, "in flight", nil
	}
	return file, Outcome(*letter).String(), nil
}
