package fhirmsg

import (
	"encoding/json"
	"fmt"
	"time"
)

// The messages of the stream JOURNAL: what the ledger has of imports that no other message
// tells, so that a ledger which was restored from a backup can be brought up to date. Nobody
// consumes them. Each may be applied any number of times.

// ImportStatement is the state of an import. Of two, the one with the greater Change counts.
type ImportStatement struct {
	Import    Import          `json:"import"`
	Change    int64           `json:"change"`           // counts the changes of the import's state, from 1
	Request   json.RawMessage `json:"request"`          // as it was accepted
	Policy    json.RawMessage `json:"policy,omitempty"` // of its supplier, then
	Attempt   int             `json:"attempt,omitempty"`
	State     string          `json:"state"`
	Reason    string          `json:"reason,omitempty"`
	Files     *int32          `json:"files,omitempty"` // how many there are, once they are listed
	Listed    *time.Time      `json:"listed,omitempty"`
	Closed    *time.Time      `json:"closed,omitempty"`
	Limited   *time.Time      `json:"limited,omitempty"`
	Ended     *time.Time      `json:"ended,omitempty"`
	Discarded []int32         `json:"discarded,omitempty"` // files; -1 is all of them
	Snapshot  json.RawMessage `json:"snapshot,omitempty"`  // how the step of a snapshot stands, as the ledger has it
	Notes     []string        `json:"notes,omitempty"`     // what was noticed that is no failure

	TransactionTime *time.Time `json:"transaction_time,omitempty"` // that what was delivered is of
}

// FileList is a part of the list of an import's files.
type FileList struct {
	Import  ImportID     `json:"import"`
	Files   []ListedFile `json:"files,omitempty"`
	Skipped []Skipped    `json:"skipped,omitempty"`
}

// ListedFile is one file as it was listed.
type ListedFile struct {
	File    int32           `json:"file"` // index in the import, from 0
	Name    string          `json:"name"`
	Type    string          `json:"type,omitempty"` // declared for all its resources
	Locator json.RawMessage `json:"locator"`        // how a fetcher opens it again
	Size    int64           `json:"size"`           // bytes at the source, -1 unknown
	State   string          `json:"state"`          // waiting, or failed where it could not be listed
	Reason  string          `json:"reason,omitempty"`
	Kind    string          `json:"kind,omitempty"`  // of a manifest: deleted, outcome; "" is resources
	Count   *int64          `json:"count,omitempty"` // as a manifest says; nil is unknown
	AsOf    *time.Time      `json:"as_of,omitempty"` // the manifest's transaction time

	Subsetted []string `json:"subsetted,omitempty"` // types of which its resources are incomplete; "*" is all
}

// Skipped is something in a folder that was not taken.
type Skipped struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

// FileStatement says how far a file was read: what was published of it since the statement before,
// and its state.
type FileStatement struct {
	Import  ImportID        `json:"import"`
	File    int32           `json:"file"`
	State   string          `json:"state"` // open | closed | failed
	Reason  string          `json:"reason,omitempty"`
	Reading json.RawMessage `json:"reading,omitempty"` // the fetcher's validator and format
	Size    int64           `json:"size"`              // bytes at the source, -1 unknown
	Read    int64           `json:"read"`              // of them
	Chunks  []FetchedChunk  `json:"chunks,omitempty"`
}

// FetchedChunk is a chunk that JetStream has acknowledged.
type FetchedChunk struct {
	Offset int64 `json:"offset"`
	Length int64 `json:"length"`
	Lines  int64 `json:"lines"`
}

// DatasetStatement says what was changed of a dataset as a whole. Times are of PostgreSQL's clock.
type DatasetStatement struct {
	Dataset string    `json:"dataset"`
	What    string    `json:"what"` // history on | history off | dropped
	At      time.Time `json:"at"`
}

// What a [DatasetStatement] may say.
const (
	HistoryOn      = "history on"
	HistoryOff     = "history off"
	DatasetDropped = "dropped"
)

// WrittenBatch says what became of a batch, with an outcome for each of its records in the body.
type WrittenBatch struct {
	Import      ImportID `json:"import"`
	File        int32    `json:"file"`
	Offset      int64    `json:"offset"`
	Type        string   `json:"type"`
	Part        int      `json:"part,omitempty"`
	Fingerprint Hash     `json:"fingerprint"`
	Sequence    uint64   `json:"sequence"` // of its message in the stream of resources
	Conflicts   int64    `json:"conflicts,omitempty"`
	Foreign     int64    `json:"foreign,omitempty"` // that replaced what another supplier had delivered
	Rows        int      `json:"rows"`
}

// Written is what a transaction made of its batches. Its body is the letters of the outcomes, one
// for each record of each batch.
type Written struct {
	Batches  []WrittenBatch `json:"batches"`
	Outcomes []byte         `json:"-"`
}

// Encode returns the message's bytes and its id.
func (w Written) Encode() (msg []byte, id string, err error) {
	if msg, err = AppendEnvelope(nil, w, w.Outcomes); err != nil {
		return nil, "", err
	}
	return msg, JournalID(JournalWritten, msg), nil
}

// DecodeWritten reads what a transaction made of its batches.
func DecodeWritten(msg []byte) (w Written, err error) {
	if w.Outcomes, err = DecodeEnvelope(msg, &w, nil); err != nil {
		return w, fmt.Errorf("written: %w", err)
	}
	rows := 0
	for _, b := range w.Batches {
		if b.Rows < 0 {
			return w, fmt.Errorf("written: %w: a batch of %d rows", ErrEnvelope, b.Rows)
		}
		rows += b.Rows
	}
	if rows != len(w.Outcomes) {
		return w, fmt.Errorf("written: %w: %d outcomes of %d rows", ErrEnvelope, len(w.Outcomes), rows)
	}
	return w, nil
}

// JournalID is the id under which JetStream drops a repetition of a message of the journal. It
// names the content.
func JournalID(kind string, msg []byte) string { return "j." + kind + "." + HashOf(msg).String() }
