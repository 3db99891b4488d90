package fhirmsg

import (
	"fmt"
)

// BatchHeader describes a batch: resources of one type from one chunk. A type's resources
// may be split into parts by size.
type BatchHeader struct {
	Import Import `json:"import"`
	Place
	Type        string `json:"type"`
	Part        int    `json:"part"`
	Rows        int    `json:"rows"`
	Bytes       int    `json:"bytes"`       // of the body before compression
	Fingerprint Hash   `json:"fingerprint"` // of the records without their bodies, whose hashes they hold
}

// Batch is a group of resources on its way to a writer.
type Batch struct {
	BatchHeader
	Body []byte // records, see [AppendRecord] and [Batch.Records]
}

// printSize is what a record without its body takes, mostly, in bytes.
const printSize = 96

// Seal computes what the header says of the body. Call it once the body is final: records
// made by [AppendRecord].
func (b *Batch) Seal() {
	prints := make([]byte, 0, b.Rows*printSize)
	for r, err := range b.Records() {
		if err != nil { // not made by AppendRecord; a reader will say so
			prints = append(prints, b.Body...)
			break
		}
		r.Body = nil
		prints = AppendRecord(prints, r)
	}
	b.Bytes, b.Fingerprint = len(b.Body), HashOf(prints)
}

// Append appends the message to dst.
func (b Batch) Append(dst []byte) ([]byte, error) { return AppendEnvelope(dst, b.BatchHeader, b.Body) }

// MessageID names the content, so that a differing statement about the same chunk, from
// a parser of another version, is not mistaken for a repetition.
func (b Batch) MessageID() string {
	return fmt.Sprintf("b.%s.%d.%d.%s.%d.%s", b.Import.ID, b.File, b.Offset, b.Type, b.Part, b.Fingerprint)
}

// DecodeBatch reads a batch; the body is appended to buf[:0].
func DecodeBatch(msg, buf []byte) (Batch, error) {
	var b Batch
	body, err := DecodeEnvelope(msg, &b.BatchHeader, buf)
	if err != nil {
		return b, fmt.Errorf("batch: %w", err)
	}
	b.Body = body
	return b, nil
}

// DecodeBatchHeader reads the header alone, without decompressing.
func DecodeBatchHeader(msg []byte) (BatchHeader, error) {
	var h BatchHeader
	if _, err := decodeHeader(msg, &h); err != nil {
		return h, fmt.Errorf("batch: %w", err)
	}
	return h, nil
}
