package fetcher

import (
	"bytes"
	"context"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// fetchRejects publishes a file's rejects again, as the chunks of a retry. What is published
// depends on the ledger's rows only, which do not change once an import has ended, so whoever
// follows a crashed fetcher publishes the same.
func (f *fetcher) fetchRejects(ctx context.Context, imp fhirmsg.Import, file ledger.File, c *credit) error {
	published, _, err := f.ledger.ResumePoint(ctx, imp.ID, file.Index)
	if err != nil {
		return err
	}
	file.Reading = []byte(`{}`)
	if err := f.ledger.OpenFile(ctx, imp.ID, file.Index, file.Reading, -1); err != nil {
		return err
	}
	p := newPublisher(ctx, f, imp, file, c)
	readErr := f.readRejects(ctx, imp, file, p, published)
	now, err := p.finish(ctx, 0)
	switch {
	case err != nil:
		return err
	case readErr != nil:
		return readErr
	case now != ledger.StateFetching:
		return errHalted
	}
	return f.closeFile(ctx, imp, file, "")
}

// listed is how many rejects' sizes are asked for at once.
const listed = 1000

// readRejects publishes what is behind the first bytes, which were published before.
func (f *fetcher) readRejects(ctx context.Context, imp fhirmsg.Import, file ledger.File, p *publisher, published int64) error {
	var offset int64
	for after := (ledger.RejectSize{}); ; {
		sizes, err := f.ledger.RejectSizes(ctx, imp.Retry, file.Index, after, listed)
		if err != nil || len(sizes) == 0 {
			return err
		}
		after = sizes[len(sizes)-1]
		for len(sizes) > 0 {
			n := fit(sizes, int64(imp.ChunkSize))
			rows, err := f.ledger.RejectsFrom(ctx, imp.Retry, file.Index, sizes[0], sizes[n-1])
			if err != nil {
				return err
			}
			sizes = sizes[n:]
			for _, chunk := range retryChunks(imp, file, rows, offset) {
				offset += chunk.Length
				if offset <= published {
					continue
				}
				if err := p.publish(ctx, chunk, 0); err != nil {
					return err
				}
			}
			state, err := p.flush(ctx, 0, false)
			if err != nil {
				return err
			}
			if err := f.halted(state); err != nil {
				return err
			}
		}
	}
}

// fit is how many rejects have no more than so many bytes; one at least.
func fit(sizes []ledger.RejectSize, limit int64) int {
	total := sizes[0].Bytes
	for n := 1; n < len(sizes); n++ {
		if total += sizes[n].Bytes; total > limit {
			return n
		}
	}
	return len(sizes)
}

// retryChunks makes chunks of rejects of one file. Lines that followed each other are together;
// a document and an entry of a Bundle are alone. A chunk's offset counts the bytes that are put
// through again, since entries of one line would have the same in their file; where it was in
// the file is in Start.
func retryChunks(imp fhirmsg.Import, file ledger.File, rows []ledger.RejectRow, offset int64) []fhirmsg.Chunk {
	var chunks []fhirmsg.Chunk
	begin := func(r ledger.RejectRow, body []byte) *fhirmsg.Chunk {
		chunks = append(chunks, fhirmsg.Chunk{
			ChunkHeader: fhirmsg.ChunkHeader{
				Import: imp, Place: fhirmsg.Place{File: file.Index}, FirstLine: r.Line, Lines: 1, Type: file.Type, Start: r.Offset, Entry: r.Entry,
				AsOf: asOf(imp, file), Subsetted: file.Subsetted,
			},
			Body: body,
		})
		return &chunks[len(chunks)-1]
	}
	var open *fhirmsg.Chunk // with lines, the last of which is the row before
	for i, r := range rows {
		switch {
		case r.Entry != 0:
			begin(r, r.Text())
			open = nil
		case bytes.IndexByte(r.Raw, '\n') >= 0:
			begin(r, r.Raw).Document = true
			open = nil
		case open != nil && follows(rows[i-1], r):
			open.Body = append(append(open.Body, r.Raw...), '\n')
			open.Lines++
		default:
			open = begin(r, append(bytes.Clone(r.Raw), '\n'))
		}
		if open != nil && i+1 < len(rows) && hasReturn(r, rows[i+1]) {
			open.Body = append(open.Body[:len(open.Body)-1], "\r\n"...)
		}
	}
	for i := range chunks {
		chunks[i].Offset, chunks[i].Length = offset, int64(len(chunks[i].Body))
		offset += chunks[i].Length
	}
	return chunks
}

// follows reports whether a line is the next one after another, with nothing between them but
// an end of line.
func follows(a, b ledger.RejectRow) bool {
	gap := b.Offset - a.Offset - int64(len(a.Raw))
	return b.Entry == 0 && b.Line == a.Line+1 && (gap == 1 || gap == 2)
}

// hasReturn reports whether a line ended in \r\n, as far as the next one tells it.
func hasReturn(a, b ledger.RejectRow) bool {
	return follows(a, b) && b.Offset-a.Offset-int64(len(a.Raw)) == 2
}
