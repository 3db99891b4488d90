package format

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// Window is how much of a file's content [Document] may look at, in bytes.
const Window = 1 << 20

const space = " \t\r\n" // RFC 8259, section 2

var bom = []byte("\xef\xbb\xbf")

// Document reports whether content, which begins with the bytes given, is one JSON document
// over several lines. Whole says that nothing follows. Sure is false where more bytes, up to
// [Window], could change the answer.
//
// A first line that is broken in the middle looks like the beginning of a document. What
// follows tells: the next line of ndjson begins a value where, after most breaks, none may
// begin, and if it may, is followed by another without a comma. So content that is one value
// for longer than two lines is a document, even if a mistake follows.
func Document(beginning []byte, whole bool) (document, sure bool) {
	rest := bytes.TrimLeft(bytes.TrimPrefix(beginning, bom), space)
	end := bytes.IndexByte(rest, '\n')
	if end < 0 { // no line, one line, or the beginning of one
		return false, whole || len(beginning) >= Window
	}
	if json.Valid(rest[:end]) {
		return false, true
	}
	length, err := firstValue(rest)
	switch {
	case err == nil:
		return length > int64(end), true
	case !errors.Is(err, io.ErrUnexpectedEOF):
		return length > int64(secondLine(rest)), true // not JSON, on this line, the next, or later
	case whole:
		// Cut short. A file of lines, the first of them broken, if another line is one value.
		return !anyValue(rest[end+1:]), true
	default:
		return true, len(beginning) >= Window
	}
}

// secondLine returns where the second line that is not blank ends in b, which begins with the
// first.
func secondLine(b []byte) int {
	end, lines := 0, 0
	for line := range bytes.Lines(b) {
		end += len(line)
		if len(bytes.Trim(line, space)) > 0 {
			lines++
		}
		if lines == 2 {
			break
		}
	}
	return end
}

// firstValue returns where the first JSON value in b ends; [io.ErrUnexpectedEOF] if it does
// not end, any other error if it is not JSON, with the end of what was read without one.
func firstValue(b []byte) (int64, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	for depth := 0; ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return 0, io.ErrUnexpectedEOF
		}
		if err != nil {
			return d.InputOffset(), err
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return d.InputOffset(), nil
		}
	}
}

// anyValue reports whether a line of b is a JSON object by itself.
func anyValue(b []byte) bool {
	for line := range bytes.Lines(b) {
		line = bytes.Trim(line, space)
		if len(line) > 0 && line[0] == '{' && json.Valid(line) {
			return true
		}
	}
	return false
}
