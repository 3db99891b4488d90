package bundle

import (
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/services/parser/internal/lex"
	"github.com/stoker-fhir/stoker/services/parser/internal/resource"
)

// Type is a Bundle.type (https://hl7.org/fhir/R4/valueset-bundle-type.html).
type Type string

// Types of Bundles.
const (
	Batch               Type = "batch"
	BatchResponse       Type = "batch-response"
	Collection          Type = "collection"
	Document            Type = "document"
	History             Type = "history"
	Message             Type = "message"
	Searchset           Type = "searchset"
	Transaction         Type = "transaction"
	TransactionResponse Type = "transaction-response"
)

// TypeOf returns the type of a Bundle, or what is wrong with it.
func TypeOf(d *resource.Document) (Type, *fhirmsg.Issue) {
	const expected = "expected one of batch, batch-response, collection, document, history, message, searchset, transaction, transaction-response"
	if d.Type.Kind == lex.Absent {
		return "", issue("required", "Bundle.type is missing: "+expected, "Bundle.type", d.Start)
	}
	if d.Type.Kind == lex.String {
		switch t := Type(d.Type.Text); t {
		case Batch, BatchResponse, Collection, Document, History, Message, Searchset, Transaction, TransactionResponse:
			return t, nil
		}
	}
	return "", issue("value", "Bundle.type is unknown: "+expected, "Bundle.type", d.Type.Start)
}

// IsWhole reports whether Bundles of the type are stored as they are.
func (t Type) IsWhole() bool { return t == Document || t == Message }

func issue(code, text, expression string, offset int) *fhirmsg.Issue {
	return &fhirmsg.Issue{Severity: "error", Code: code, Diagnostics: text, Expression: expression, Offset: int64(offset)}
}
