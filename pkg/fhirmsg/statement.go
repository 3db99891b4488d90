package fhirmsg

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Statement says what a parser made of a chunk. It is published after the chunk's batches
// and rejects are stored by JetStream, so what it counts is on its way for certain.
//
//	Lines             = Blank + Control + Rejected + Plain + Bundles
//	Plain + Entries   = EntriesRejected + Ignored + resources in batches
type Statement struct {
	Import Import `json:"import"`
	Place
	Lines           int64 `json:"lines"`
	Blank           int64 `json:"blank,omitempty"`
	Control         int64 `json:"control,omitempty"`  // header lines of organizeOutputBy and the like
	Rejected        int64 `json:"rejected,omitempty"` // lines of which nothing could be taken
	Plain           int64 `json:"plain,omitempty"`    // lines that are one resource to store
	Bundles         int64 `json:"bundles,omitempty"`  // lines that are Bundles and were unrolled
	Entries         int64 `json:"entries,omitempty"`  // of those Bundles
	EntriesRejected int64 `json:"entries_rejected,omitempty"`
	Ignored         int64 `json:"ignored,omitempty"` // entries with nothing to store: GET, response outcomes
	Clamped         int64 `json:"clamped,omitempty"` // resources dated in the future
	Issues          int64 `json:"issues,omitempty"`  // reported on what was taken all the same
	Fingerprint     Hash  `json:"fingerprint"`       // over the fingerprints of the batches and rejects

	// IssueCounts are the issues of everything in the chunk, rejected or taken all the same. Each
	// severity, code and expression is there once.
	IssueCounts []IssueCount `json:"issue_counts,omitempty"`

	// Profiles tell which elements the resources had that could be read, rejected or not, each type once; none where
	// nothing was validated.
	Profiles []Profile `json:"profiles,omitempty"`
}

// Profile is what resources of a type had.
type Profile struct {
	Type      string           `json:"type"`
	Resources int64            `json:"resources"`
	Elements  map[string]int64 `json:"elements"`        // how many had it, by its name in JSON: valueQuantity
	First     string           `json:"first,omitempty"` // the earliest date that what they tell of has: YYYY, YYYY-MM or YYYY-MM-DD
	Last      string           `json:"last,omitempty"`  // the latest
}

// IssueCount counts the issues of one kind in a chunk.
type IssueCount struct {
	Severity    string `json:"severity"`
	Code        string `json:"code"`
	Expression  string `json:"expression,omitempty"` // FHIRPath without indexes: Patient.name.given
	Count       int64  `json:"count"`
	Line        int64  `json:"line"`        // the first line that has it
	Diagnostics string `json:"diagnostics"` // of the first one
}

// Encode returns the message's bytes.
func (s Statement) Encode() ([]byte, error) { return json.Marshal(s) }

// MessageID is the id under which JetStream drops a repetition.
func (s Statement) MessageID() string {
	return fmt.Sprintf("s.%s.%d.%d.%s", s.Import.ID, s.File, s.Offset, s.Fingerprint)
}

// DecodeStatement reads a statement.
func DecodeStatement(b []byte) (Statement, error) {
	var s Statement
	if err := json.Unmarshal(b, &s); err != nil {
		return s, fmt.Errorf("statement: %w", err)
	}
	if s.Import.ID == (ImportID{}) {
		return s, errors.New("statement: it is of no import")
	}
	return s, nil
}
