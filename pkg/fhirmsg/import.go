package fhirmsg

import "cmp"

// Import is what an accepted import pins and every message about it carries: enough to
// process it, and to make its row in the ledger again after a restore.
type Import struct {
	ID          ImportID   `json:"id"`
	Issued      int64      `json:"issued"` // microseconds since 1970; the middle part of versions
	Supplier    string     `json:"supplier"`
	Dataset     string     `json:"dataset"`
	Mode        Mode       `json:"mode"`
	AsOf        *int64     `json:"as_of,omitempty"` // microseconds since 1970
	FHIRVersion string     `json:"fhir_version"`
	Definitions string     `json:"definitions,omitempty"` // checksum of the definitions to validate by; "" where validation is off
	Validation  Validation `json:"validation,omitempty"`
	Rules       int        `json:"rules"` // version of the parser's rules
	ChunkSize   int        `json:"chunk_size"`
	MaxLine     int        `json:"max_line"`

	// Keys is "" for [KeysKeep]. Base is the FHIR server that the resources come from, if that is
	// known: with [KeysScoped], absolute references to what is on it are the supplier's own.
	Keys Keys   `json:"keys,omitempty"`
	Base string `json:"base,omitempty"`

	// Retry is the import whose rejects this one puts through again. Issued is then that one's,
	// so that versions are the original ones.
	Retry ImportID `json:"retry,omitzero"`

	// Accepted is when the import was accepted, in microseconds since 1970, where Issued is another time: of a retry, and of
	// one that has its place right behind an earlier import. 0: when it was issued.
	Accepted int64 `json:"accepted,omitempty"`

	// Snapshot says that the delivery has all that its supplier has. Mends is the import whose rejects it
	// delivers anew.
	Snapshot bool     `json:"snapshot,omitempty"`
	Mends    ImportID `json:"mends,omitzero"`
}

// IsRetry reports whether the import puts rejects of another one through again.
func (i Import) IsRetry() bool { return i.Retry != ImportID{} }

// AcceptedAt is when the import itself was accepted, in microseconds since 1970.
func (i Import) AcceptedAt() int64 {
	return cmp.Or(i.Accepted, i.Issued)
}
