package primitive

import (
	"strings"
	"testing"

	"github.com/stoker-fhir/stoker/pkg/fhirdef"
)

// values are right and wrong ones of each kind, but for dates, which have a table of their
// own.
var values = []struct {
	kind         fhirdef.Kind
	name         string
	want         string // of the wrong ones
	right, wrong []string
}{
	{
		fhirdef.String, "string", wantString,
		[]string{"a", " a", "a\n", "\ta\r\nb", "André", "\u00a0", "a\u00a0b", "日本語", "\u0085", "\x7f", "12345678", "1234567\n90", "😀"},
		[]string{"", " ", "\t", " \r\n\t "},
	},
	{
		fhirdef.String, "string's control characters", wantNoControl, nil,
		[]string{"\x00", "a\x01", "\x1f", "\va", "1234567\x08", "12345678\x0c", "\n23456789\x1b", "é\x02"},
	},
	{
		fhirdef.String, "string's length", wantShortString,
		[]string{strings.Repeat("a", 1<<20), strings.Repeat("é", 1<<20)},
		[]string{strings.Repeat("a", 1<<20+1), strings.Repeat("é", 1<<20+1), strings.Repeat(" ", 1<<20+1)},
	},
	{
		fhirdef.Markdown, "markdown", wantString,
		[]string{"# a\n\n* b\n", "a"},
		[]string{"", "\n"},
	},
	{
		fhirdef.Code, "code", wantCode,
		[]string{"a", "1234.5", "two words", "a b c", "mg/dL", "%", "é", "a\u00a0b", "\u00a0"},
		[]string{"", " ", " a", "a ", "a  b", "a\tb", "a\nb", "\n", "a\x01b", "\u00a0 "},
	},
	{
		fhirdef.ID, "id", wantID,
		[]string{"a", "A-z.09", strings.Repeat("a", 64), "-", "."},
		[]string{"", strings.Repeat("a", 65), "a b", "a_b", "a/b", "a:b", "é", "a\n", "@", "[", "`", "{", "\x0d"},
	},
	{
		fhirdef.URI, "uri", wantURI,
		[]string{"http://example.org", "urn:oid:1.2", "a", "#a", "http://example.org/é", "|", "\u00a0"},
		[]string{"", " ", "http://example.org/a b", " a", "a\n", "a\tb", "\x00"},
	},
	{
		fhirdef.URL, "url", wantURI,
		[]string{"https://example.org/?a=b#c", "mailto:a@b.example", "mllp:10.1.1.1"},
		[]string{"", "a b"},
	},
	{
		fhirdef.Canonical, "canonical", wantURI,
		[]string{"http://example.org/ValueSet/a|1.0", "http://example.org/a|1#b", "#a", "urn:uuid:0a08fbc4-ba6a-40b5-b8af-9a18ddddaf1e|2"},
		[]string{"", "http://example.org/a| 1"},
	},
	{
		fhirdef.OID, "oid", wantOID,
		[]string{"urn:oid:1.2", "urn:oid:0.0", "urn:oid:2.16.840.1.113883", "urn:oid:1.10.0.99999999999999999999"},
		[]string{"", "1.2.3", "urn:oid:", "urn:oid:1", "urn:oid:3.1", "urn:oid:1.", "urn:oid:1.02", "urn:oid:1.00", "urn:oid:1..2", "urn:oid:12.3", "URN:OID:1.2", "urn:oid:1.2 ", "urn:oid:1.a", "urn:oid:/.1"},
	},
	{
		fhirdef.UUID, "uuid", wantUUID,
		[]string{"urn:uuid:c757873d-ec9a-4326-a141-556f43239520", "urn:uuid:00000000-0000-0000-0000-000000000000"},
		[]string{"", "c757873d-ec9a-4326-a141-556f43239520", "urn:uuid:C757873D-EC9A-4326-A141-556F43239520", "urn:uuid:c757873dec9a4326a141556f43239520", "urn:uuid:c757873d-ec9a-4326-a141-556f4323952", "urn:uuid:c757873d-ec9a-4326-a141-556f432395200", "urn:uuid:g757873d-ec9a-4326-a141-556f43239520"},
	},
	{
		fhirdef.Base64Binary, "base64Binary", wantBase64,
		[]string{"YWJj", "YWI=", "YQ==", "YWJjYWJj", " YWJj ", "YWJj\r\nYWJj\n", "YWJj YQ== ", "++//", "\t\v\fYWI= \n"},
		[]string{"", " ", "YWJ", "YWJjY", "Y===", "====", "YW=j", "YQ==YWJj", "YQ== YWJj", "YWI==", "YW Jj", "YW-_", "YWJ\u00a0", "=YWJ", "YWJj=", "YQ==="},
	},
	{
		fhirdef.Integer, "integer", wantInteger,
		[]string{"0", "-0", "1", "-1", "2147483647", "-2147483648"},
		[]string{"", "-", "+1", "01", "-01", "00", "2147483648", "-2147483649", "99999999999999999999", "1.0", "1e2", "1E0", "0x1", " 1"},
	},
	{
		fhirdef.PositiveInt, "positiveInt", wantPositive,
		[]string{"1", "2147483647"},
		[]string{"", "0", "-0", "-1", "01", "2147483648", "1.0", "1e0"},
	},
	{
		fhirdef.UnsignedInt, "unsignedInt", wantUnsigned,
		[]string{"0", "1", "2147483647"},
		[]string{"", "-0", "-1", "+0", "00", "2147483648", "0.0", "0e1"},
	},
	{
		fhirdef.Decimal, "decimal", "",
		[]string{"0", "-0", "1.0", "1.00e-10", "1E400", "0.0000000000000000000000000000001"}, nil,
	},
	{
		fhirdef.Date, "date", wantDate,
		[]string{"2020", "0001", "9999", "2020-12", "2020-02-29", "2000-02-29", "2019-12-31", "1800-02"},
		[]string{
			"", "20", "0000", "02020", "202a", "2020-", "2020-1", "2020-00", "2020-13", "2020-1-1", "2020/12", "2020-12-", "2020-12-1", "2020-12-00",
			"2020-12-32", "2020-11-31", "2019-02-29", "1900-02-29", "2020-12-12T", "2020-12-12T10:00:00Z", "2020-12-12 ", " 2020", "-2020", "2020-12/12", "2020-W01", "٢٠٢٠",
		},
	},
	{
		fhirdef.DateTime, "dateTime", wantDateTime,
		[]string{"2020", "2020-12", "2020-12-12", "2020-12-12T10:00:00Z", "2020-12-12T10:00:00.1+14:00", "2020-12-12T23:59:60-14:00", "0001-01-01T00:00:00.000000000001-00:00"},
		[]string{
			"", "2020T10:00:00Z", "2020-12T10:00:00Z", "2020-02-30T10:00:00Z", "2020-12-12T", "2020-12-12T10", "2020-12-12T10Z", "2020-12-12T10:00Z", "2020-12-12T10:00:00",
			"2020-12-12T24:00:00Z", "2020-12-12T10:60:00Z", "2020-12-12T10:00:61Z", "2020-12-12T10:00:00.Z", "2020-12-12T10:00:00,1Z", "2020-12-12 10:00:00Z", "2020-12-12t10:00:00z",
			"2020-12-12T10:00:00+14:01", "2020-12-12T10:00:00+15:00", "2020-12-12T10:00:00+10:60", "2020-12-12T10:00:00+1000", "2020-12-12T10:00:00+10", "2020-12-12T10:00:00ZZ", "2020-12-12T10:00:00 Z",
			"2020-12-12T10:00:00.123", "2020-12-12T1:00:00Z", "2020-12-12T10-00-00Z", "2020-12-12T10:00:00+1a:00", "2020-12-12T10:00:00*10:00",
		},
	},
	{
		fhirdef.Instant, "instant", wantInstant,
		[]string{"2015-02-07T13:28:17.239+02:00", "2017-01-01T00:00:00Z", "2016-12-31T23:59:60Z", "9999-12-31T23:59:59.999999999999+13:59"},
		[]string{"", "2015", "2015-02", "2015-02-07", "2015-02-07T13:28Z", "2015-02-07T13:28:17", "2015-02-29T13:28:17Z", "2015-02-07T13:28:17."},
	},
	{
		fhirdef.Time, "time", wantTime,
		[]string{"00:00:00", "23:59:60", "10:00:00.000000001"},
		[]string{"", "10", "10:00", "24:00:00", "10:60:00", "10:00:61", "10:00:00Z", "10:00:00+01:00", "10:00:00.", "1:00:00", "10.00.00", "10:00:00.1a"},
	},
	{fhirdef.XHTML, "xhtml", "", []string{"", "<div/>"}, nil},
	{fhirdef.Boolean, "boolean", "", []string{"true"}, nil},
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, v := range values {
		for _, text := range v.right {
			if _, got := Check(v.kind, []byte(text)); got != "" {
				t.Errorf("%s %.80q: got %q, want it right", v.name, text, got)
			}
		}
		for _, text := range v.wrong {
			if _, got := Check(v.kind, []byte(text)); got != v.want {
				t.Errorf("%s %.80q: got %q, want %q", v.name, text, got, v.want)
			}
		}
	}
}

func TestCheckAllocatesNothing(t *testing.T) {
	if n := testing.AllocsPerRun(10, func() {
		for i := range values {
			for _, text := range values[i].right {
				if len(text) < 32 { // longer ones are copied here, by the test
					Check(values[i].kind, []byte(text))
				}
			}
		}
	}); n != 0 {
		t.Errorf("got %v allocations, want none", n)
	}
}

func BenchmarkCheck(b *testing.B) {
	for _, v := range []struct {
		kind       fhirdef.Kind
		name, text string
	}{
		{fhirdef.Code, "code", "completed"},
		{fhirdef.String, "string", "Body Mass Index, measured"},
		{fhirdef.String, "long string", strings.Repeat("Body Mass Index\n", 1<<12)},
		{fhirdef.URI, "uri", "http://terminology.hl7.org/CodeSystem/observation-category"},
		{fhirdef.ID, "id", "0a08fbc4-ba6a-40b5-b8af-9a18ddddaf1e"},
		{fhirdef.DateTime, "dateTime", "2012-04-12T10:00:00.123+02:00"},
		{fhirdef.Date, "date", "2012-04-12"},
		{fhirdef.Base64Binary, "base64Binary", strings.Repeat("YWJj", 1<<14)},
		{fhirdef.UUID, "uuid", "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"},
		{fhirdef.OID, "oid", "urn:oid:2.16.840.1.113883.4.642"},
		{fhirdef.PositiveInt, "positiveInt", "12345"},
	} {
		b.Run(v.name, func(b *testing.B) {
			text := []byte(v.text)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, expected := Check(v.kind, text); expected != "" {
					b.Fatal(expected)
				}
			}
		})
	}
}

// TestSeverity: what a string should not be is a warning, what it shall not be an error.
func TestSeverity(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Severity{"a": None, "": Error, " ": Warning, "a\x01": Warning, strings.Repeat("a", 1<<20+1): Error} {
		if got, _ := Check(fhirdef.String, []byte(text)); got != want {
			t.Errorf("%.20q: severity %d, want %d", text, got, want)
		}
	}
	if got, _ := Check(fhirdef.Code, []byte(" ")); got != Error {
		t.Errorf("code: severity %d, want %d", got, Error)
	}
}
