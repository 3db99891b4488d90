package resource

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/services/parser/internal/lex"
)

// What package lex takes at most.
const (
	maxBefore   = 131072 // digits before the decimal point
	maxAfter    = 16383  // and after it
	smallObject = 32     // names that are compared one by one
)

// compareWithStandardLibrary says how the scanner's verdict differs from that of
// encoding/json where it must not; "" is agreement.
func compareWithStandardLibrary(doc []byte, got error) string {
	valid := json.Valid(doc)
	if got == nil {
		if !valid {
			return "accepted, but not by encoding/json"
		}
		if !utf8.Valid(doc) {
			return "accepted, but not UTF-8"
		}
		return ""
	}
	var e *lex.Error
	if !errors.As(got, &e) {
		return fmt.Sprintf("error of type %T", got)
	}
	if e.Offset < 0 || e.Offset > len(doc) {
		return fmt.Sprintf("offset %d of %d", e.Offset, len(doc))
	}
	if valid && !e.Beyond {
		return "refused as no JSON, but accepted by encoding/json: " + e.Msg
	}
	return ""
}

func TestRefused(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, doc string
		offset    int
		code, msg string // msg: a part of it
	}{
		{"nothing", "", 0, "structure", "expected a value"},
		{"white space", " \t\r\n", 4, "structure", "expected a value"},
		{"two values", "{} {}", 3, "structure", "expected nothing"},
		{"cut short", `{"a":[1,`, 8, "structure", "not complete"},
		{"cut in a string", `{"id":"abc`, 10, "structure", "end of a string"},
		{"no colon", `{"a" 1}`, 5, "structure", "':'"},
		{"no comma", `{"a":1 "b":2}`, 7, "structure", "',' or '}'"},
		{"no comma in an array", `[1 2]`, 3, "structure", "',' or ']'"},
		{"trailing comma", `{"a":1,}`, 7, "structure", "expected a name"},
		{"trailing comma in an array", `[1,]`, 3, "structure", "expected a value"},
		{"single quotes", `{'a':1}`, 1, "structure", "double quotes"},
		{"literal", `[nul]`, 1, "structure", "null"},
		{"capital literal", `[True]`, 1, "structure", "expected a value"},
		{"plus", `[+1]`, 1, "structure", "expected a value"},
		{"leading zero", `[01]`, 2, "structure", "',' or ']'"},
		{"no fraction", `[1.]`, 3, "structure", "decimal point"},
		{"no exponent", `[1e+]`, 4, "structure", "exponent"},
		{"minus only", `[-]`, 2, "structure", "digit"},
		{"byte order mark", "\ufeff{}", 0, "structure", "expected a value"},
		{"other space", "[1,\u00a02]", 3, "structure", "expected a value"},
		{"control character", "[\"a\x01\"]", 3, "structure", "control"},
		{"line feed in a string", "[\"a\n\"]", 3, "structure", "control"},
		{"escape", `["a\x"]`, 4, "structure", "after a backslash"},
		{"short escape", `["\u12"]`, 4, "structure", "hexadecimal"},
		{"NUL", `["ab\u0000"]`, 4, "value", "u0000"},
		{"NUL in a name", `{"\u0000":1}`, 2, "value", "u0000"},
		{"raw NUL", "[\x00]", 1, "structure", "expected a value"},
		{"lone high surrogate", `["\ud834"]`, 2, "value", "surrogate"},
		{"lone low surrogate", `["\udd1e"]`, 2, "value", "surrogate"},
		{"surrogates inverted", `["\udd1e\ud834"]`, 2, "value", "surrogate"},
		{"high surrogate and a letter", `["\ud834\u0041"]`, 2, "value", "surrogate"},
		{"Latin-1", "[\"Ren\xe9\"]", 5, "structure", "UTF-8"},
		{"overlong", "[\"abcdefgh\xc0\xaf\"]", 10, "structure", "UTF-8"},
		{"surrogate in UTF-8", "[\"\xed\xa0\x80\"]", 2, "structure", "UTF-8"},
		{"invalid UTF-8 in a name", "{\"\xff\":1}", 2, "structure", "UTF-8"},
		{"name twice", `{"a":1,"b":2,"a":3}`, 13, "structure", "a name occurs twice"},
		{"known name twice", `{"id":1,"b":2,"id":3}`, 14, "structure", `"id" occurs twice`},
		{"name twice deep down", `{"a":[{"id":1,"id":2}]}`, 14, "structure", "a name occurs twice"},
		{"name twice by escapes", `{"ab":1,"\u0061b":3}`, 8, "structure", "a name occurs twice"},
		{"too deep", strings.Repeat("[", lex.MaxDepth+1) + strings.Repeat("]", lex.MaxDepth+1), lex.MaxDepth, "structure", "128"},
		{"too deep in objects", strings.Repeat(`{"a":`, 200) + "1" + strings.Repeat("}", 200), 5 * lex.MaxDepth, "structure", "128"},
		{"whole too long", "[" + strings.Repeat("9", maxBefore+1) + "]", 1, "value", "out of range"},
		{"exponent too great", `[1e131072]`, 1, "value", "out of range"},
		{"exponent far too great", `[-1E+99999999999999999999]`, 1, "value", "out of range"},
		{"fraction too long", "[0." + strings.Repeat("1", maxAfter+1) + "]", 1, "value", "out of range"},
		{"exponent too small", `[1e-16384]`, 1, "value", "out of range"},
		{"fraction and exponent", `[1.5e-16383]`, 1, "value", "out of range"},
		{"zero with an exponent that PostgreSQL does not read", `[0e1073741823]`, 1, "value", "out of range"},
		{"zero with a long scale", `[0e-16384]`, 1, "value", "out of range"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var s Reader
			_, err := s.Read([]byte(tt.doc), false)
			var e *lex.Error
			if !errors.As(err, &e) {
				t.Fatalf("error %v, want an *lex.Error", err)
			}
			if e.Offset != tt.offset || e.Code != tt.code || !strings.Contains(e.Msg, tt.msg) {
				t.Errorf("byte %d, %s, %q; want byte %d, %s, %q", e.Offset, e.Code, e.Msg, tt.offset, tt.code, tt.msg)
			}
			if difference := compareWithStandardLibrary([]byte(tt.doc), err); difference != "" {
				t.Error(difference)
			}
		})
	}
}

func TestAccepted(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"deep":                    strings.Repeat("[", lex.MaxDepth) + strings.Repeat("]", lex.MaxDepth),
		"whole as long as it may": "[" + strings.Repeat("9", maxBefore) + "]",
		"greatest exponent":       `[9e131071]`,
		"smallest exponent":       `[1e-16383]`,
		"fraction made up for":    "[0." + strings.Repeat("1", maxAfter+10) + "e10]",
		"zeros do not count":      "[0.0000e131072]",
		"zero":                    "[-0.0E999999]",
		"zero, greatest exponent": "[0e1073741822]",
		"long zeros and exponent": "[0." + strings.Repeat("0", 200000) + "1e190000]",
		"surrogate pair":          `["\ud834\uDD1E","𝄞"]`,
		"noncharacter":            "[\"\uffff\"]",
		"names that differ":       `{"":1," ":2,"a":3,"A":4,"aa":5,"\n":6}`,
		"same names elsewhere":    `{"a":{"a":{"a":1}},"b":[{"a":1},{"a":2}]}`,
	}
	for name, doc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s Reader
			if _, err := s.Read([]byte(doc), false); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestFound(t *testing.T) {
	t.Parallel()
	type want struct {
		resourceType, id, lastUpdated, bundleType string
		entry                                     string
		subsetted, header                         bool
		urns                                      string
	}
	tests := []struct {
		name, doc string
		want      want
	}{
		{"usual", `{"resourceType":"Patient","id":"p1","meta":{"lastUpdated":"2020-01-01T00:00:00Z"}}`,
			want{resourceType: "Patient", id: "p1", lastUpdated: "2020-01-01T00:00:00Z"}},
		{"any order, white space", " { \"meta\" : { \"lastUpdated\" : \"x\" } ,\n\"id\":\t\"p1\", \"resourceType\" : \"Patient\" } ",
			want{resourceType: "Patient", id: "p1", lastUpdated: "x"}},
		{"escapes", `{"resource\u0054ype":"Pat\u0069ent","i\u0064":"a\"\\\/\b\f\n\r\t\u00e9\ud834\udd1e"}`,
			want{resourceType: "Patient", id: "a\"\\/\b\f\n\r\té𝄞"}},
		{"only at the root", `{"contained":[{"resourceType":"A","id":"b","meta":{"lastUpdated":"c"},"type":"d"}]}`, want{}},
		{"not in an array at the root", `[{"resourceType":"A","id":"b"}]`, want{}},
		{"Bundle", `{"resourceType":"Bundle","type":"batch","entry":[ {"a":1}, 2 ]}`,
			want{resourceType: "Bundle", bundleType: "batch", entry: `[ {"a":1}, 2 ]`}},
		{"subsetted", `{"meta":{"tag":[{"code":"x"},{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}]}}`,
			want{subsetted: true}},
		{"subsetted, STU3", `{"meta":{"tag":[{"code":"SUBSETTED","display":"d","system":"http://hl7.org/fhir/v3/ObservationValue"},{"code":"y"}]}}`,
			want{subsetted: true}},
		{"other system", `{"meta":{"tag":[{"system":"http://example.org","code":"SUBSETTED"}]}}`, want{}},
		{"two tags", `{"meta":{"tag":[{"code":"SUBSETTED"},{"system":"http://hl7.org/fhir/v3/ObservationValue"}]}}`, want{}},
		{"tag inside a tag", `{"meta":{"tag":[{"code":"SUBSETTED","extension":[{"system":"http://hl7.org/fhir/v3/ObservationValue"}]}]}}`, want{}},
		{"header", `{"resourceType":"Parameters","parameter":[{"name":"other"},{"name":"header","valueReference":{"reference":"Patient/1"}}]}`,
			want{resourceType: "Parameters", header: true}},
		{"header deeper", `{"parameter":[{"part":[{"name":"header"}]}]}`, want{}},
		{"URNs", `{"a":{"reference":"urn:uuid:1"},"b":[{"reference":"Patient/1"},{"reference":"\u0075rn:oid:2","x":{"reference":7}}],"reference":"http://x"}`,
			want{urns: "urn:uuid:1 urn:oid:2"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var s Reader
			d, err := s.Read([]byte(tt.doc), false)
			if err != nil {
				t.Fatal(err)
			}
			var urns []string
			for _, u := range d.URNs {
				urns = append(urns, string(u.Text))
			}
			got := want{
				string(d.ResourceType.Text), string(d.ID.Text), string(d.LastUpdated.Text), string(d.Type.Text),
				tt.doc[d.Entry.Start:d.Entry.End], d.Subsetted, d.Header, strings.Join(urns, " "),
			}
			if got != tt.want {
				t.Errorf("got %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

// TestKinds: a value of an unexpected kind is told from an absent one.
func TestKinds(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]lex.Kind{
		`"a"`: lex.String, `1`: lex.Number, `-1`: lex.Number, `true`: lex.Bool, `false`: lex.Bool, `null`: lex.Null, `[]`: lex.Array, `{}`: lex.Object,
	} {
		var s Reader
		d, err := s.Read([]byte(`{"id":`+text+`}`), false)
		if err != nil || d.ID.Kind != want || d.ResourceType.Kind != lex.Absent {
			t.Errorf("%s: kind %d, error %v; want %d", text, d.ID.Kind, err, want)
		}
		if d, err = s.Read([]byte(" "+text+" "), false); err != nil || d.Kind != want || d.End-d.Start != len(text) {
			t.Errorf("%s alone: kind %d, error %v; want %d", text, d.Kind, err, want)
		}
	}
}

func TestHash(t *testing.T) {
	t.Parallel()
	docs := []string{
		`{"a":[1,2,{"b":" c \" d "}],"e":null}`,
		` { "a" : [ 1 , 2, { "b":" c \" d "} ] , "e" : null } `,
		"\t{\"a\":[1,2,\r\n{\"b\":\" c \\\" d \"}],\"e\":null}\n",
	}
	want := fhirmsg.HashOf([]byte(docs[0]))
	var s Reader
	for _, doc := range docs {
		if _, err := s.Read([]byte(doc), false); err != nil {
			t.Fatal(err)
		}
		if got := s.Hash(); got != want {
			t.Errorf("hash of %q = %s, want %s", doc, got, want)
		}
		if got := string(s.Compact()); got != docs[0] {
			t.Errorf("compact %q, want %q", got, docs[0])
		}
	}
}

// TestErrorsHoldNoContent: whatever goes wrong where, no name or value is shown.
func TestErrorsHoldNoContent(t *testing.T) {
	t.Parallel()
	doc := []byte(`{"secret":"secret","secret2":[1234567,{"secret3":"sec\u0072et"}],"secret4":true,"secret":1234567}`)
	var s Reader
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		broken := bytes.Clone(doc)
		for range 1 + random.IntN(3) {
			broken[random.IntN(len(broken))] = `{}[],:"\u0x`[random.IntN(11)]
		}
		if _, err := s.Read(broken, false); err != nil && (strings.Contains(err.Error(), "ecre") || strings.Contains(err.Error(), "2345")) {
			t.Fatalf("%q: %v", broken, err)
		}
	}
}

// TestManyNames: an object with a million names takes no quadratic time, in which this would
// not end before the test's deadline, and a name that occurs twice is found.
func TestManyNames(t *testing.T) {
	t.Parallel()
	const n = 1_000_000
	doc := []byte("{")
	for i := range n {
		doc = fmt.Appendf(doc, `"n%d":0,`, (i*7919)%n)
	}
	fine := append(bytes.Clone(doc), `"x":0}`...)
	twice := append(bytes.Clone(doc), `"n500":0}`...)
	var s Reader
	if _, err := s.Read(fine, false); err != nil {
		t.Error(err)
	}
	_, err := s.Read(twice, false)
	var e *lex.Error
	if !errors.As(err, &e) || e.Offset != len(doc) {
		t.Errorf("error %v, want one at byte %d", err, len(doc))
	}
	if _, err := s.Read([]byte("{}"), false); err != nil {
		t.Errorf("error %v after a large object", err)
	}
}

// TestNamesOfEachCount finds a repeated name in objects of every size around where the way
// of looking for it changes.
func TestNamesOfEachCount(t *testing.T) {
	t.Parallel()
	var s Reader
	for n := 1; n < 3*smallObject; n++ {
		var members []string
		for i := range n {
			members = append(members, fmt.Sprintf(`"m%d":{"a":1}`, i))
		}
		if _, err := s.Read([]byte("{"+strings.Join(members, ",")+"}"), false); err != nil {
			t.Errorf("%d names: %v", n, err)
		}
		for i := range n {
			doc := "{" + strings.Join(append(members, fmt.Sprintf(`"\u006d%d":1`, i)), ",") + "}"
			if _, err := s.Read([]byte(doc), false); err == nil {
				t.Errorf("%d names, that of member %d again: accepted", n, i)
			}
		}
	}
}

// TestReadAllocatesNothing is alone: allocations of other tests would be counted.
func TestReadAllocatesNothing(t *testing.T) {
	var many strings.Builder
	for i := range 100 {
		fmt.Fprintf(&many, `,"name%d":%d`, i, i)
	}
	docs := [][]byte{
		[]byte(`{"resourceType":"Patient","id":"p1","meta":{"lastUpdated":"2020-01-01T00:00:00Z"},"a":[1,2.5e3,true,null]}`),
		[]byte(`{ "resourceType" : "Patient" , "id" : "p\u00e91", "link": {"reference":"urn:uuid:1"}, "text": "Jürgen" }`),
		[]byte(`{"id":"x"` + many.String() + `}`),
	}
	var s Reader
	for _, doc := range docs {
		n := testing.AllocsPerRun(100, func() {
			if _, err := s.Read(doc, false); err != nil {
				t.Fatal(err)
			}
			s.Hash()
		})
		if n != 0 {
			t.Errorf("%.40s…: %v allocations, want 0", doc, n)
		}
	}
}
