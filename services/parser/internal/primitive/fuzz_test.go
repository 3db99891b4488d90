package primitive

import (
	"encoding/json"
	"math/big"
	"regexp"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stoker-fhir/stoker/pkg/fhirdef"
)

// patterns are the regular expressions of the specification. Its \s is [ \t\n\v\f\r]; Go's
// has no \v. Exact says that the expression is the whole rule; else it is a part of it.
var patterns = map[fhirdef.Kind]struct {
	pattern string
	exact   bool
}{
	fhirdef.Base64Binary: {`([ \t\n\v\f\r]*([0-9a-zA-Z\+/=]){4}[ \t\n\v\f\r]*)+`, false},
	fhirdef.Canonical:    {`[^ \t\n\v\f\r]*`, false},
	fhirdef.Code:         {`[^ \t\n\v\f\r]+([ \t\n\v\f\r][^ \t\n\v\f\r]+)*`, false},
	fhirdef.Date:         {`([0-9]([0-9]([0-9][1-9]|[1-9]0)|[1-9]00)|[1-9]000)(-(0[1-9]|1[0-2])(-(0[1-9]|[1-2][0-9]|3[0-1]))?)?`, false},
	fhirdef.DateTime:     {`([0-9]([0-9]([0-9][1-9]|[1-9]0)|[1-9]00)|[1-9]000)(-(0[1-9]|1[0-2])(-(0[1-9]|[1-2][0-9]|3[0-1])(T([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]+)?(Z|(\+|-)((0[0-9]|1[0-3]):[0-5][0-9]|14:00)))?)?)?`, false},
	fhirdef.ID:           {`[A-Za-z0-9\-\.]{1,64}`, true},
	fhirdef.Instant:      {`([0-9]([0-9]([0-9][1-9]|[1-9]0)|[1-9]00)|[1-9]000)-(0[1-9]|1[0-2])-(0[1-9]|[1-2][0-9]|3[0-1])T([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]+)?(Z|(\+|-)((0[0-9]|1[0-3]):[0-5][0-9]|14:00))`, false},
	fhirdef.Integer:      {`-?([0]|([1-9][0-9]*))`, false},
	fhirdef.Markdown:     {`([ \r\n\t]|[^ \t\n\v\f\r])+`, false},
	fhirdef.OID:          {`urn:oid:[0-2](\.(0|[1-9][0-9]*))+`, true},
	fhirdef.PositiveInt:  {`[1-9][0-9]*`, false},
	fhirdef.String:       {`([ \r\n\t]|[^ \t\n\v\f\r])+`, false},
	fhirdef.Time:         {`([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]+)?`, true},
	fhirdef.URI:          {`[^ \t\n\v\f\r]*`, false},
	fhirdef.URL:          {`[^ \t\n\v\f\r]*`, false},
	fhirdef.UnsignedInt:  {`[0]|([1-9][0-9]*)`, false},
	fhirdef.UUID:         {`urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`, true},
}

// remainder says whether a text that matches the expression of its kind meets the rest of
// the rule, found out in another way than by the code under test.
func remainder(kind fhirdef.Kind, text string) (right, known bool) {
	switch kind {
	case fhirdef.Date, fhirdef.DateTime, fhirdef.Instant:
		if len(text) < 10 {
			return true, true
		}
		_, err := time.Parse(time.DateOnly, text[:10])
		return err == nil, true
	case fhirdef.Integer, fhirdef.PositiveInt, fhirdef.UnsignedInt:
		n, ok := new(big.Int).SetString(text, 10)
		return ok && n.IsInt64() && n.Int64() == int64(int32(n.Int64())), true
	}
	return false, false
}

func compilePatterns() map[fhirdef.Kind]*regexp.Regexp {
	compiled := map[fhirdef.Kind]*regexp.Regexp{}
	for kind, p := range patterns {
		compiled[kind] = regexp.MustCompile(`\A(?s:` + p.pattern + `)\z`)
	}
	return compiled
}

// compareWithPattern returns what is wrong with a verdict, or "".
func compareWithPattern(compiled map[fhirdef.Kind]*regexp.Regexp, kind fhirdef.Kind, text string) string {
	pattern, ok := compiled[kind]
	if !ok || len(text) > 1000 {
		return ""
	}
	severity, _ := Check(kind, []byte(text))
	right, matches := severity == None, pattern.MatchString(text)
	if right && !matches {
		return "right, but it does not match the expression"
	}
	if matches && patterns[kind].exact && !right {
		return "wrong, but it matches the expression"
	}
	if matches && !patterns[kind].exact {
		if rest, known := remainder(kind, text); known && rest != right {
			return "matches the expression, and the rest of the rule is told otherwise"
		}
	}
	return ""
}

// TestPatterns: the tables agree with the specification's expressions.
func TestPatterns(t *testing.T) {
	t.Parallel()
	compiled := compilePatterns()
	for _, v := range values {
		for _, text := range append(v.right[:len(v.right):len(v.right)], v.wrong...) {
			if difference := compareWithPattern(compiled, v.kind, text); difference != "" {
				t.Errorf("%s %q: %s", v.name, text, difference)
			}
		}
	}
}

// FuzzCheck: what is right matches the expression of the specification, and the reverse
// where that is the whole rule.
func FuzzCheck(f *testing.F) {
	compiled := compilePatterns()
	for _, v := range values {
		for _, text := range append(v.right[:len(v.right):len(v.right)], v.wrong...) {
			if len(text) < 100 {
				f.Add(uint8(v.kind), text)
			}
		}
	}
	f.Fuzz(func(t *testing.T, kind uint8, text string) {
		if !utf8.ValidString(text) {
			Check(fhirdef.Kind(kind), []byte(text))
			return
		}
		if difference := compareWithPattern(compiled, fhirdef.Kind(kind), text); difference != "" {
			t.Errorf("kind %d: %q %s", kind, text, difference)
		}
	})
}

// FuzzCompareDecimals: the order is that of the standard library's fractions.
func FuzzCompareDecimals(f *testing.F) {
	f.Add("1", "1.0e0")
	f.Add("-0.05", "-5E-2")
	f.Add("120.5", "12.051e1")
	f.Fuzz(func(t *testing.T, a, b string) {
		got := CompareDecimals([]byte(a), []byte(b))
		x, ok1 := fraction(a)
		y, ok2 := fraction(b)
		if ok1 && ok2 && got != x.Cmp(y) {
			t.Errorf("CompareDecimals(%q, %q): got %d, want %d", a, b, got, x.Cmp(y))
		}
	})
}

// fraction is a JSON number, if its exponent is not so great that it would take long.
func fraction(text string) (*big.Rat, bool) {
	if !json.Valid([]byte(text)) || len(text) > 100 || regexp.MustCompile(`[eE][+-]?0*[0-9]{4}`).MatchString(text) {
		return nil, false
	}
	return new(big.Rat).SetString(text)
}

// FuzzCompare: the order of times is that of the standard library, and turning both round
// turns the order.
func FuzzCompare(f *testing.F) {
	f.Add("2020-05-05T10:00:00.1Z", "2020-05-05T12:00:00.10+02:00")
	f.Add("2020-05-05", "2020-05")
	f.Add("2019", "2020-01-01T00:00:00Z")
	f.Fuzz(func(t *testing.T, a, b string) {
		order, determined := Compare([]byte(a), []byte(b))
		turned, alsoDetermined := Compare([]byte(b), []byte(a))
		if order != -turned || determined != alsoDetermined {
			t.Errorf("Compare(%q, %q): got %d %v, and %d %v turned round", a, b, order, determined, turned, alsoDetermined)
		}
		first, _ := Check(fhirdef.Instant, []byte(a))
		second, _ := Check(fhirdef.Instant, []byte(b))
		if first != None || second != None || len(a) > 29 || len(b) > 29 {
			return
		}
		x, err1 := time.Parse(time.RFC3339Nano, a) // no leap seconds
		y, err2 := time.Parse(time.RFC3339Nano, b)
		if err1 == nil && err2 == nil && (!determined || order != x.Compare(y)) {
			t.Errorf("Compare(%q, %q): got %d %v, want %d", a, b, order, determined, x.Compare(y))
		}
	})
}
