package fhirmsg

import "fmt"

// Place says which part of which file of which import a message is about. Offsets are of
// decompressed bytes.
type Place struct {
	File   int32 `json:"file"`   // index in the import, from 0
	Offset int64 `json:"offset"` // of the chunk's first byte
	Length int64 `json:"length"` // of the chunk, in bytes
}

// ChunkHeader describes a chunk: whole lines of one file.
type ChunkHeader struct {
	Import Import `json:"import"`
	Place
	FirstLine int64  `json:"first_line"`         // from 1
	Lines     int64  `json:"lines"`              // blank ones included
	Type      string `json:"type,omitempty"`     // declared for the file; "" is unknown
	Document  bool   `json:"document,omitempty"` // the whole file is one JSON document, line 1
	TooLong   bool   `json:"too_long,omitempty"` // one line over the limit; the body is its beginning
	Outcome   bool   `json:"outcome,omitempty"`  // the lines are what the supplier reports of its own work, and no resources to store
	AsOf      *int64 `json:"as_of,omitempty"`    // of the file, microseconds since 1970; see [ChunkHeader.StampOf]

	// Types of which only some elements were asked for, so that their resources are incomplete whether or not they say so;
	// "*" is all. See [ChunkHeader.IsSubset].
	Subsetted []string `json:"subsetted,omitempty"`

	// Of a retry, where Offset counts the bytes that are put through again.
	Start int64 `json:"start,omitempty"` // of the first line's first byte in the file; see [ChunkHeader.LineOffset]
	Entry int32 `json:"entry,omitempty"` // not 0: the body is one entry of the Bundle at FirstLine, in a batch Bundle of its own, and this is the entry's ordinal
}

// IsSubset reports whether resources of a type are incomplete whatever they say of themselves.
func (h ChunkHeader) IsSubset(resourceType string) bool {
	for _, t := range h.Subsetted {
		if t == "*" || t == resourceType {
			return true
		}
	}
	return false
}

// LineOffset is where the chunk's first line begins in its file, in decompressed bytes.
func (h ChunkHeader) LineOffset() int64 {
	if h.Import.IsRetry() {
		return h.Start
	}
	return h.Offset
}

// StampOf is the first part of the version of a resource in the chunk; see [Stamp]. What has no
// date of its own has that of the import, or else that of its file.
func (h ChunkHeader) StampOf(lastUpdated *int64) (stamp int64, clamped bool) {
	asOf := h.Import.AsOf
	if asOf == nil {
		asOf = h.AsOf
	}
	return Stamp(h.Import.Mode, lastUpdated, asOf, h.Import.Issued)
}

// Chunk is a part of a file on its way to a parser.
type Chunk struct {
	ChunkHeader
	Body []byte
}

// Append appends the message to dst and returns it with its id. The id names the content, as
// it is compressed: JetStream drops a repeated id whatever the message holds.
func (c Chunk) Append(dst []byte) (msg []byte, id string, err error) {
	begin := len(dst)
	if msg, err = AppendEnvelope(dst, c.ChunkHeader, c.Body); err != nil {
		return nil, "", err
	}
	return msg, fmt.Sprintf("c.%s.%d.%d.%d.%s", c.Import.ID, c.File, c.Offset, c.Length, HashOf(msg[begin:])), nil
}

// DecodeChunk reads a chunk; the body is appended to buf[:0].
func DecodeChunk(msg, buf []byte) (Chunk, error) {
	var c Chunk
	body, err := DecodeEnvelope(msg, &c.ChunkHeader, buf)
	if err != nil {
		return c, fmt.Errorf("chunk: %w", err)
	}
	c.Body = body
	return c, nil
}
