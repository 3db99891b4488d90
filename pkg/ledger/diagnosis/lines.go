package diagnosis

import (
	"bytes"
	"fmt"
)

// fewest is the least number of lines to judge by.
const fewest = 3

// notResources says what lines are that are not resources in JSON.
func notResources(samples [][]byte) string {
	var lines [][]byte
	for _, s := range samples {
		if s = bytes.TrimSpace(s); len(s) > 0 {
			lines = append(lines, s)
		}
	}
	if len(lines) < fewest {
		return ""
	}
	// most reports whether nearly all lines are of a kind.
	most := func(is func([]byte) bool) bool {
		n := 0
		for _, l := range lines {
			if is(l) {
				n++
			}
		}
		return 10*n >= 9*len(lines)
	}
	delimiter := delimiterOf(lines)
	switch {
	case most(func(l []byte) bool { return l[0] == '<' }):
		return "These look like XML: Stoker reads FHIR's JSON."
	case most(isCompressed):
		return "These look like binary data: gzip and zstd are recognised, archives and other formats are not."
	case most(isPieceOfJSON):
		return "These look like JSON that is split over several lines: in ndjson each resource is on one line; a file may also be one document."
	case most(func(l []byte) bool { return l[0] == '{' && !bytes.Contains(l, []byte(`"resourceType"`)) }):
		return "These look like JSON objects that are not FHIR resources: resourceType is missing at their beginning."
	case most(func(l []byte) bool { return l[0] == '[' }):
		return "These look like JSON arrays: in ndjson each resource is on a line of its own, without brackets and commas around it."
	case delimiter != "":
		return fmt.Sprintf("These look like CSV, separated by %s: Stoker reads FHIR's JSON.", delimiter)
	}
	return ""
}

// isPieceOfJSON tells lines of pretty-printed JSON, of which no line is an object by itself.
func isPieceOfJSON(l []byte) bool {
	switch l[0] {
	case '}', ']':
		return true
	case '"':
		return bytes.Contains(l, []byte(`":`)) || bytes.HasSuffix(l, []byte(`"`)) || bytes.HasSuffix(l, []byte(`",`))
	case '{', '[':
		return len(l) == 1
	default:
		return false
	}
}

func isCompressed(l []byte) bool {
	control := 0
	for _, c := range l {
		if c < ' ' && c != '\t' || c == 0x7f {
			control++
		}
	}
	return 20*control > len(l)
}

// delimiterOf returns the name of what separates the columns of lines that have equally many,
// or "". The beginnings of long lines may have fewer.
func delimiterOf(lines [][]byte) string {
	for _, d := range []struct{ char, name string }{{"\t", "tabs"}, {";", "semicolons"}, {"|", "bars"}, {",", "commas"}} {
		columns := map[int]int{}
		for _, l := range lines {
			if l[0] != '{' && l[0] != '[' {
				columns[bytes.Count(l, []byte(d.char))]++
			}
		}
		for n, count := range columns {
			if n >= 2 && 10*count >= 8*len(lines) {
				return d.name
			}
		}
	}
	return ""
}
