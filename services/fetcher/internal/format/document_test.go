package format_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stoker-fhir/stoker/services/fetcher/internal/format"
)

const (
	patient = `{"resourceType":"Patient","id":"a","name":[{"family":"b","given":["c","d"]}],"active":true}`
	pretty  = "{\n  \"resourceType\": \"Patient\",\n  \"name\": [ { \"family\": \"b}\\\"\\u00e4\" } ],\n  \"x\": -1.5e3,\n  \"active\": true\n}\n"
)

func TestDocument(t *testing.T) {
	t.Parallel()
	large := "{\n\"entry\": [\n" + strings.Repeat(patient+",\n", format.Window/len(patient)+1)
	tests := []struct {
		name, content string
		want          bool
	}{
		{"nothing", "", false},
		{"blank lines", "\n \r\n\n", false},
		{"lines", patient + "\n" + patient + "\n", false},
		{"one line", patient + "\n", false},
		{"one line, missing newline", patient, false},
		{"lines after blank ones and a byte order mark", "\xef\xbb\xbf\r\n\n" + patient + "\r\n" + patient + "\r\n", false},
		{"a number a line", "1\n2\n", false},
		{"an array a line", "[1,2]\n[3]\n", false},
		{"not JSON", "resourceType,id\nPatient,a\n", false},
		{"not JSON, one line", "hello", false},
		{"something after the first value", patient + " x\n" + patient + "\n", false},
		{"pretty", pretty, true},
		{"pretty, missing newline", strings.TrimSpace(pretty), true},
		{"pretty, CRLF and byte order mark", "\xef\xbb\xbf" + strings.ReplaceAll(pretty, "\n", "\r\n"), true},
		{"pretty after blank lines", "\n\n" + pretty, true},
		{"pretty, more than the window", large, true},
		{"an array over lines", "[\n" + patient + ",\n" + patient + "\n]\n", true},
		{"an array that begins with its first value", "[" + patient + ",\n" + patient + "]\n", true},
		{"pretty, cut short", pretty[:len(pretty)-5], true},
		{"pretty, damaged in the first lines", "{\n\"a\": 1,,\n}\n", false},
		{"pretty, damaged after the first lines", "{\n\n\"a\": 1,\n\"b\":,\n}\n", true},
		{"an array, damaged after the first lines", "[\n" + patient + ",\n" + patient + "\n" + patient + "\n]\n", true},
		{"long first line", "{\"a\":\"" + strings.Repeat("x", format.Window) + "\"}\n", false},
	}
	for _, tt := range tests {
		beginning, whole := []byte(tt.content), true
		if len(beginning) > format.Window {
			beginning, whole = beginning[:format.Window], false
		}
		got, sure := format.Document(beginning, whole)
		if got != tt.want || !sure {
			t.Errorf("%s: got %v, sure %v; want %v, sure", tt.name, got, sure, tt.want)
		}
	}
}

// TestBrokenFirstLine cuts the first of several lines at every place.
func TestBrokenFirstLine(t *testing.T) {
	t.Parallel()
	for _, good := range []int{1, 2, 5} {
		for cut := range len(patient) {
			content := patient[:cut] + "\n" + strings.Repeat(patient+"\n", good)
			if document, sure := format.Document([]byte(content), true); document || !sure {
				t.Errorf("cut after %q, %d good lines: got document %v, sure %v", patient[:cut], good, document, sure)
			}
		}
	}
}

// TestSureIsSure: a judgement does not change when more of the content is seen.
func TestSureIsSure(t *testing.T) {
	t.Parallel()
	for _, content := range []string{
		pretty, patient + "\n" + patient, "\xef\xbb\xbf\n" + pretty, patient[:30] + "\n" + patient + "\n", "[1,\n2,\n{}]", "\n\n[\n]\n",
	} {
		checkSure(t, []byte(content))
	}
}

func checkSure(t *testing.T, content []byte) {
	t.Helper()
	want, sure := format.Document(content, true)
	if !sure {
		t.Fatalf("%q: not sure of the whole", content)
	}
	for n := range content {
		if got, sure := format.Document(content[:n], false); sure && got != want {
			t.Fatalf("%q: got %v from %d bytes, %v from all", content, got, n, want)
		}
	}
}

func FuzzSniff(f *testing.F) {
	f.Add([]byte(pretty))
	f.Add([]byte(patient + "\n" + patient))
	f.Add([]byte("\xef\xbb\xbf\r\n[1,\n2]"))
	f.Add([]byte(patient[:40] + "\n" + patient + "\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		if len(content) > 500 {
			return
		}
		checkSure(t, content)
		document, _ := format.Document(content, true)
		value := bytes.Trim(bytes.TrimPrefix(content, []byte("\xef\xbb\xbf")), " \t\r\n") // JSON's white space, no more
		first, _, several := bytes.Cut(value, []byte("\n"))
		if json.Valid(first) && document {
			t.Fatalf("%q: the first line is a value, and yet it is a document", content)
		}
		if several && json.Valid(value) && !document {
			t.Fatalf("%q: one value over several lines, and yet no document", content)
		}
	})
}
