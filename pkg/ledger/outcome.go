package ledger

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// Extensions of a reject's OperationOutcome: where the line came from, and HL7's own for its resource; and of
// its issues, HL7's own for line and column.
const (
	extensionBase   = "https://stoker-fhir.github.io/fhir/StructureDefinition/"
	extensionLine   = "http://hl7.org/fhir/StructureDefinition/operationoutcome-issue-line"
	extensionColumn = "http://hl7.org/fhir/StructureDefinition/operationoutcome-issue-col"
	extensionSource = "http://hl7.org/fhir/StructureDefinition/operationoutcome-sourceResource" // Bulk Data Access IG
)

type outcome struct {
	ResourceType string         `json:"resourceType"`
	Extension    []extension    `json:"extension,omitempty"`
	Issue        []outcomeIssue `json:"issue"`
}

type extension struct {
	URL          string `json:"url"`
	ValueString  string `json:"valueString,omitempty"`
	ValueDecimal *int64 `json:"valueDecimal,omitempty"` // integer ends at 2^31 in R4
	ValueInteger *int32 `json:"valueInteger,omitempty"`
	ValueBoolean bool   `json:"valueBoolean,omitempty"`

	ValueReference *reference `json:"valueReference,omitempty"`
}

type reference struct {
	Reference string `json:"reference"`
}

type outcomeIssue struct {
	Extension   []extension `json:"extension,omitempty"`
	Severity    string      `json:"severity"`
	Code        string      `json:"code"`
	Details     details     `json:"details"`
	Diagnostics string      `json:"diagnostics"`
	Expression  []string    `json:"expression,omitempty"`
}

type details struct {
	Text string `json:"text"`
}

// OperationOutcome is the reject as a FHIR resource
// (https://hl7.org/fhir/R4/operationoutcome.html), in which extensions tell import, file,
// line, entry and byte offset of the line, its resource where that is known, whether it was stored all the same, and for each
// issue its line, column and byte offset within the line. What is wrong is in details.text; the
// diagnostics repeat the place before it, for people.
func (r RejectRow) OperationOutcome() ([]byte, error) {
	o := outcome{ResourceType: "OperationOutcome", Extension: []extension{
		{URL: extensionBase + "import", ValueString: r.Import.String()},
		{URL: extensionBase + "file", ValueString: r.FileName},
		{URL: extensionBase + "line", ValueDecimal: &r.Line},
		{URL: extensionBase + "offset", ValueDecimal: &r.Offset},
	}}
	if r.Entry != 0 {
		entry := int64(max(r.Entry, -r.Entry))
		o.Extension = append(o.Extension, extension{URL: extensionBase + "entry", ValueDecimal: &entry})
	}
	if r.Stored {
		o.Extension = append(o.Extension, extension{URL: extensionBase + "stored", ValueBoolean: true})
	}
	if r.Type != "" && r.ID != "" {
		o.Extension = append(o.Extension, extension{URL: extensionSource, ValueReference: &reference{r.Type + "/" + r.ID}})
	}
	for _, issue := range r.Issues {
		o.Issue = append(o.Issue, r.outcomeIssue(issue))
	}
	b, err := json.Marshal(o)
	if err != nil {
		return nil, fmt.Errorf("encode OperationOutcome: %w", err)
	}
	return b, nil
}

func (r RejectRow) outcomeIssue(issue fhirmsg.Issue) outcomeIssue {
	line := cmp.Or(issue.Line, r.Line)
	place := fmt.Sprintf("%s, line %d", r.FileName, line)
	if issue.Column > 0 {
		place += fmt.Sprintf(", column %d", issue.Column)
	}
	if r.Entry != 0 {
		place += fmt.Sprintf(", entry %d", max(r.Entry, -r.Entry))
	}
	o := outcomeIssue{
		Severity: issue.Severity, Code: issue.Code, Details: details{issue.Diagnostics}, Diagnostics: place + ": " + issue.Diagnostics,
	}
	if issue.Expression != "" {
		o.Expression = []string{issue.Expression}
	}
	if issue.Column == 0 || max(line, issue.Column) > math.MaxInt32 {
		return o
	}
	line32, column32 := int32(line), int32(issue.Column)
	o.Extension = []extension{
		{URL: extensionLine, ValueInteger: &line32},
		{URL: extensionColumn, ValueInteger: &column32},
		{URL: extensionBase + "offset", ValueDecimal: &issue.Offset},
	}
	return o
}

// OperationOutcome is a file that failed, as a FHIR resource.
func (f FileStatus) OperationOutcome(id fhirmsg.ImportID) ([]byte, error) {
	return json.Marshal(outcome{
		ResourceType: "OperationOutcome",
		Extension: []extension{
			{URL: extensionBase + "import", ValueString: id.String()},
			{URL: extensionBase + "file", ValueString: f.Name},
		},
		Issue: []outcomeIssue{{Severity: "error", Code: "incomplete", Details: details{f.Reason}, Diagnostics: f.Name + ": " + f.Reason}},
	})
}
