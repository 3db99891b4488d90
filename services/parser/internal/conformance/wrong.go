package conformance

import "github.com/stoker-fhir/stoker/pkg/fhirdef"

// wrongValues are values of the right JSON type that break the rules of a primitive type.
var wrongValues = map[fhirdef.Kind][]string{
	fhirdef.Base64Binary: {`""`, `"a"`, `"===="`, `"YQ"`, `"YW=j"`, `"YWJj*"`, `"äääa"`},
	fhirdef.Canonical:    {`""`, `" "`, `"http://example.org/a b"`, `"a\n"`},
	fhirdef.Code:         {`""`, `" a"`, `"a "`, `"a  b"`, `"\t"`, `"a\n"`, `"a\tb "`},
	fhirdef.Date: {`""`, `"1970-13"`, `"1970-00-10"`, `"1970-01-32"`, `"1970-02-30"`, `"2019-02-29"`, `"1900-02-29"`, `"1970-1-1"`,
		`"19700101"`, `"1970-01-01T00:00:00Z"`, `"01/02/1970"`, `"1970-"`, `"0000"`, `"970"`, `" 1970"`, `"1970-01-01 "`, `"2100-02-29"`, `"10000-01-01"`, `"-1970"`, `"１９７０"`, `"1970-01-01Z"`, `"1970/01/01"`},
	fhirdef.DateTime: {`""`, `"1970-02-30"`, `"2020-01-01T10:00"`, `"2020-01-01T10:00Z"`, `"2020-01-01T10:00:00"`, `"2020-01-01T24:00:00Z"`, `"2020-01-01T10:60:00Z"`,
		`"2020-01-01 10:00:00Z"`, `"2020-01-01T10:00:00+15:00"`, `"2020-02-30T00:00:00Z"`, `"2020-01-01T10:00:00.Z"`, `"2020-13"`, `"2020-01T10:00:00Z"`,
		`"2020-01-01t10:00:00Z"`, `"2020-01-01T10:00:00z"`, `"2020-01-01T10:00:00+0100"`, `"2020-01-01T10:00:00+14:30"`, `"2020-01-01T10:00:00-13:60"`, `"2020-01-01T10:00:61Z"`, `"2020-01-01T1:00:00Z"`, `"2020-01-01T10:00:00,5Z"`},
	fhirdef.ID:          {`""`, `"a b"`, `"a_b"`, `"a/b"`, `"ä"`, `"a\n"`, `"a,b"`, `"0123456789012345678901234567890123456789012345678901234567890123x"`},
	fhirdef.Instant:     {`""`, `"2020"`, `"2020-01-01"`, `"2020-01-01T10:00:00"`, `"2020-02-30T00:00:00Z"`, `"2020-01-01T10:00Z"`, `"2020-01-01T24:00:00Z"`, `"2020-01-01T10:00:00+01"`},
	fhirdef.Integer:     {`1.0`, `1.5`, `1e2`, `2147483648`, `-2147483649`, `123456789012345678901234567890`},
	fhirdef.Markdown:    {`""`},
	fhirdef.OID:         {`""`, `"1.2.3"`, `"urn:oid:3.1"`, `"urn:oid:1.02"`, `"urn:oid:"`, `"urn:oid:1.2."`},
	fhirdef.PositiveInt: {`0`, `-1`, `1.0`, `1e0`, `2147483648`},
	fhirdef.String:      {`""`},
	fhirdef.Time:        {`""`, `"24:00:00"`, `"10:00"`, `"10:60:00"`, `"1:00:00"`, `"10:00:00Z"`, `"10:00:00."`},
	fhirdef.UnsignedInt: {`-1`, `1.0`, `2147483648`},
	fhirdef.URI:         {`""`, `" "`, `"http://example.org/a b"`, `"a\n"`},
	fhirdef.URL:         {`""`, `" "`, `"http://example.org/a b"`, `"a\n"`},
	fhirdef.UUID:        {`""`, `"0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"`, `"urn:uuid:0c3151bd"`, `"urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6eg"`},
	fhirdef.XHTML: {`""`, `"a"`, `"<p xmlns=\"http://www.w3.org/1999/xhtml\">a</p>"`, `"<div>a</div>"`, `"<div xmlns=\"http://www.w3.org/1999/xhtml\"></div>"`,
		`"<div xmlns=\"http://www.w3.org/1999/xhtml\"> \n </div>"`,
		`"<div xmlns=\"http://www.w3.org/1999/xhtml\">a"`, `"<div xmlns=\"http://www.w3.org/1999/xhtml\"><b>a</i></div>"`, `"<div xmlns=\"http://www.w3.org/1999/xhtml\">a</div>b"`,
		`"<div xmlns=\"http://www.w3.org/1999/xhtml\"><script>a</script></div>"`, `"<div xmlns=\"http://www.w3.org/1999/xhtml\"><form>a</form></div>"`,
		`"<div xmlns=\"http://www.w3.org/1999/xhtml\"><iframe src=\"a\">a</iframe></div>"`, `"<div xmlns=\"http://www.w3.org/1999/xhtml\"><object>a</object></div>"`,
		`"<div xmlns=\"http://www.w3.org/1999/xhtml\"><p onclick=\"a\">a</p></div>"`, `"<div xmlns=\"http://www.w3.org/1999/xhtml\"><a href=\"javascript:a\">a</a></div>"`,
		`"<div xmlns=\"http://www.w3.org/1999/xhtml\">a & b</div>"`, `"<div xmlns=\"http://www.w3.org/1999/xhtml\">&unknown;</div>"`,
		`"<div xmlns=\"http://www.w3.org/1999/xhtml\"><p class=a>a</p></div>"`, `"<div xmlns=\"http://www.w3.org/1999/xhtml\"><input/>a</div>"`, `"<div xmlns=\"http://example.org\">a</div>"`},
}

// doubtfulValues are values of text that make a warning: "Strings SHOULD not contain Unicode
// character points below 32, except for" tab and line ends, and "SHOULD always contain
// non-whitespace content" (https://hl7.org/fhir/R4/datatypes.html#string).
var doubtfulValues = []string{`" "`, `"\t\n"`, `"a\u0001"`, `"\u001fb"`, `"a\fb"`}

func isText(t *fhirdef.Type) bool { return t.Kind == fhirdef.String || t.Kind == fhirdef.Markdown }

// valueCode is the code of the issue that a wrong value makes.
func valueCode(m *fhirdef.Member) string {
	if m.Type.Kind == fhirdef.XHTML {
		return "invariant"
	}
	return "value"
}

// wrongCodes are codes in the form of a code that are not of a value set.
func wrongCodes(set *fhirdef.ValueSet) []string {
	if set == nil {
		return nil
	}
	switch set.Syntax {
	case fhirdef.Enumerated:
		all := []string{"stoker-code"}
		code := []byte(set.Codes[0].Code)
		if c := code[0]; c|0x20 >= 'a' && c|0x20 <= 'z' {
			code[0] ^= 0x20
			all = append(all, string(code))
		}
		all = append(all, set.Codes[0].Code+"x")
		var wrong []string
		for _, c := range all {
			if !set.HasCode([]byte(c)) {
				wrong = append(wrong, c)
			}
		}
		return wrong
	case fhirdef.MIMEType:
		return []string{"text", "/plain", "text/", "text plain"}
	case fhirdef.Language:
		return []string{"!", "de_AT", "de-", "German language"}
	case fhirdef.Currency:
		return []string{"euro", "EU", "€", "eur"}
	case fhirdef.UCUM:
		return []string{"mg dL", "µg"}
	default:
		return nil
	}
}
