package fhirmsg

import (
	"encoding/json"
	"fmt"
)

// Issue is one finding about a line, with the names of OperationOutcome.issue
// (https://hl7.org/fhir/R4/operationoutcome.html). Diagnostics never hold patients' data.
type Issue struct {
	Severity    string `json:"severity"` // fatal | error | warning | information
	Code        string `json:"code"`     // issue-type: structure, value, required, too-long, not-supported …
	Diagnostics string `json:"diagnostics"`
	Expression  string `json:"expression,omitempty"` // FHIRPath, with indexes
	Offset      int64  `json:"offset,omitempty"`     // bytes from the beginning of the line
	Line        int64  `json:"line,omitempty"`       // in the file, from 1; in a document that has several, not the reject's
	Column      int64  `json:"column,omitempty"`     // characters in that line, from 1
}

// Reject is what could not be taken: a line, or an entry of a Bundle (Entry is not 0). Where
// Stored is set it is what was taken in spite of its issues.
type Reject struct {
	Line   int64   `json:"line"`
	Entry  int32   `json:"entry,omitempty"`
	Offset int64   `json:"offset"`         // of the line's first byte in the file
	Type   string  `json:"type,omitempty"` // resource type and id as far as they are known
	ID     string  `json:"id,omitempty"`
	Issues []Issue `json:"issues"`
	Raw    []byte  `json:"raw"`              // the line, or the entry, as it came
	Cut    bool    `json:"cut,omitempty"`    // Raw is only its beginning
	Stored bool    `json:"stored,omitempty"` // the resource was stored all the same (validation warn); Raw is empty

	// Resource is set where an entry was rejected by validation alone: its resource as it would
	// have been stored, with references to other entries rewritten. Type and ID are its key.
	Resource []byte `json:"resource,omitempty"`
}

// RejectsHeader describes rejects from one chunk. Like a batch it may be in parts.
type RejectsHeader struct {
	Import Import `json:"import"`
	Place
	Part        int  `json:"part"`
	Fingerprint Hash `json:"fingerprint"` // of the body before compression
}

// Rejects is a group of rejects on its way to the ledger.
type Rejects struct {
	RejectsHeader
	Items []Reject
}

// Encode returns the message's bytes and its id.
func (r *Rejects) Encode() (msg []byte, id string, err error) {
	body, err := json.Marshal(r.Items)
	if err != nil {
		return nil, "", fmt.Errorf("encode rejects: %w", err)
	}
	r.Fingerprint = HashOf(body)
	msg, err = AppendEnvelope(nil, r.RejectsHeader, body)
	if err != nil {
		return nil, "", err
	}
	return msg, fmt.Sprintf("r.%s.%d.%d.%d.%s", r.Import.ID, r.File, r.Offset, r.Part, r.Fingerprint), nil
}

// DecodeRejects reads a group of rejects.
func DecodeRejects(msg []byte) (Rejects, error) {
	var r Rejects
	body, err := DecodeEnvelope(msg, &r.RejectsHeader, nil)
	if err != nil {
		return r, fmt.Errorf("rejects: %w", err)
	}
	if err := json.Unmarshal(body, &r.Items); err != nil {
		return r, fmt.Errorf("rejects: %w", err)
	}
	return r, nil
}
