package generate

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"testing"
	"unicode/utf8"
)

// parse reads one line strictly: one JSON value, valid UTF-8, no name twice in an object,
// numbers as they are written.
func parse(t *testing.T, line []byte) any {
	t.Helper()
	if !utf8.Valid(line) {
		t.Fatalf("not UTF-8: %s", line)
	}
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	v := parseValue(t, d)
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		t.Fatalf("more than one value in a line: %s", line)
	}
	return v
}

func parseValue(t *testing.T, d *json.Decoder) any {
	t.Helper()
	token, err := d.Token()
	if err != nil {
		t.Fatal(err)
	}
	switch token {
	case json.Delim('{'):
		object := map[string]any{}
		for d.More() {
			name := parseValue(t, d).(string)
			if _, twice := object[name]; twice {
				t.Fatalf("name %q twice in an object", name)
			}
			object[name] = parseValue(t, d)
		}
		parseValue(t, d)
		return object
	case json.Delim('['):
		array := []any{}
		for d.More() {
			array = append(array, parseValue(t, d))
		}
		parseValue(t, d)
		return array
	}
	return token
}
