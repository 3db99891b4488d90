package delivery

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/stoker-fhir/stoker/pkg/bus"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/format"
)

// maxDocument is how large a resource over several lines may be, in bytes; lines may be longer, as the import says.
const maxDocument = fhirmsg.DefaultMaxLine

// writeLines writes what a message holds as lines. Its content tells the format, as it does of files: ndjson,
// or one JSON document over several lines, which becomes one line, and either with gzip or zstd. What
// cannot be decoded becomes a line that says so, and that no parser takes. Errors are those of w.
func writeLines(w io.Writer, msg *bus.Delivered) error {
	if len(msg.Data) == 0 {
		return nil
	}
	switch encoding := msg.Header.Get("Content-Encoding"); strings.ToLower(encoding) {
	case "", "identity", "gzip", "x-gzip", "zstd":
	default:
		return writeProblem(w, msg, errors.New("its Content-Encoding is none of gzip, zstd and identity"))
	}
	input := format.NewInput(bytes.NewReader(msg.Data))
	content, err := input.Decompress(input.Detect())
	if err != nil {
		return writeProblem(w, msg, err)
	}
	defer content.Close() //nolint:errcheck // it is read from memory
	return copyLines(w, msg, bufio.NewReaderSize(content, format.Window))
}

// copyLines writes the decoded content of a message.
func copyLines(w io.Writer, msg *bus.Delivered, content *bufio.Reader) error {
	beginning, err := content.Peek(format.Window)
	if document, _ := format.Document(beginning, err != nil); document {
		return writeDocument(w, msg, content)
	}
	lines := &lastByte{w: w}
	_, err = io.Copy(lines, content)
	if lines.err != nil {
		return lines.err
	}
	if lines.last != '\n' && lines.any {
		if _, err := io.WriteString(w, "\n"); err != nil {
			return err
		}
	}
	if err != nil {
		return writeProblem(w, msg, err)
	}
	return nil
}

// writeDocument writes a document as one line. White space has no meaning there.
func writeDocument(w io.Writer, msg *bus.Delivered, content io.Reader) error {
	document, err := io.ReadAll(io.LimitReader(content, maxDocument+1))
	if err != nil {
		return writeProblem(w, msg, err)
	}
	if len(document) > maxDocument {
		return writeProblem(w, msg, fmt.Errorf("it is a document of more than %d bytes", maxDocument))
	}
	line := &bytes.Buffer{}
	if err := json.Compact(line, bytes.TrimPrefix(document, []byte("\xef\xbb\xbf"))); err != nil {
		line.Reset() // not JSON: as it came, in one line, for the parser to say where
		line.Write(bytes.ReplaceAll(bytes.ReplaceAll(document, []byte("\n"), []byte(" ")), []byte("\r"), []byte(" ")))
	}
	line.WriteByte('\n')
	_, err = w.Write(line.Bytes())
	return err
}

// writeProblem writes a line that is no JSON, with the reason and the payload as it came.
func writeProblem(w io.Writer, msg *bus.Delivered, reason error) error {
	if _, err := fmt.Fprintf(w, "message %d on %s: %v; as it came, in base64: ", msg.Sequence, msg.Subject, reason); err != nil {
		return err
	}
	encoder := base64.NewEncoder(base64.StdEncoding, w)
	if _, err := encoder.Write(msg.Data); err != nil {
		return err
	}
	if err := encoder.Close(); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// lastByte remembers the last byte that was written, and tells errors of the writer from those of the reader.
type lastByte struct {
	w    io.Writer
	last byte
	any  bool
	err  error
}

func (l *lastByte) Write(p []byte) (int, error) {
	if len(p) > 0 {
		l.last, l.any = p[len(p)-1], true
	}
	n, err := l.w.Write(p)
	l.err = err
	return n, err
}
