package primitive

import "github.com/stoker-fhir/stoker/pkg/fhirdef"

// What is expected of values.
const (
	wantBase64      = "must be base64: groups of four of A-Z a-z 0-9 + /, the last one filled up with ="
	wantCode        = "must be a code: without white space, but for single spaces inside"
	wantDate        = "must be a date: YYYY, YYYY-MM or YYYY-MM-DD"
	wantDateTime    = "must be a date, or a date and a time with seconds and zone: YYYY-MM-DDThh:mm:ssZ or +hh:mm"
	wantID          = "must be an id: 1 to 64 letters, digits, '-' and '.'"
	wantInstant     = "must be a date and a time with seconds and zone: YYYY-MM-DDThh:mm:ssZ or +hh:mm"
	wantInteger     = "must be an integer from -2147483648 to 2147483647, without fraction or exponent"
	wantOID         = "must be an OID: urn:oid: and numbers from 0, 1 or 2 on, with dots between"
	wantPositive    = "must be an integer from 1 to 2147483647, without fraction or exponent"
	wantString      = "must be text: not empty, not only white space"
	wantNoControl   = "must be text without control characters, but for tab and line ends"
	wantShortString = "must be text of at most 1,048,576 characters (1 MB)"
	wantTime        = "must be a time with seconds and without zone: hh:mm:ss"
	wantUnsigned    = "must be an integer from 0 to 2147483647, without fraction or exponent"
	wantURI         = "must be a URI: not empty, without white space"
	wantUUID        = "must be a UUID: urn:uuid: and 32 lower-case hexadecimal digits, grouped 8-4-4-4-12"
)

// Severity says how wrong a value is.
type Severity uint8

// Severities: what the specification says a value SHALL be, and what it SHOULD.
const (
	None Severity = iota
	Warning
	Error
)

// Check returns how wrong a value is and what is expected of one of its kind. Text is that
// of a string, unescaped, or the literal of a number. Booleans, decimals (any JSON number is
// one), objects and xhtml are always right here.
func Check(kind fhirdef.Kind, text []byte) (s Severity, expected string) {
	switch kind {
	case fhirdef.String, fhirdef.Markdown:
		return checkString(text)
	case fhirdef.Code:
		return want(isCode(text), wantCode)
	case fhirdef.URI, fhirdef.URL, fhirdef.Canonical:
		return want(isURI(text), wantURI)
	case fhirdef.DateTime:
		return want(isDateTime(text), wantDateTime)
	case fhirdef.ID:
		return want(isID(text), wantID)
	case fhirdef.Date:
		return want(isDate(text), wantDate)
	case fhirdef.Instant:
		return want(isInstant(text), wantInstant)
	case fhirdef.Time:
		return want(isTime(text), wantTime)
	case fhirdef.Integer:
		return want(isInteger(text), wantInteger)
	case fhirdef.PositiveInt:
		return want(isNatural(text, 1), wantPositive)
	case fhirdef.UnsignedInt:
		return want(isNatural(text, 0), wantUnsigned)
	case fhirdef.Base64Binary:
		return want(isBase64(text), wantBase64)
	case fhirdef.OID:
		return want(IsOID(text), wantOID)
	case fhirdef.UUID:
		return want(isUUID(text), wantUUID)
	default:
		return None, ""
	}
}

func want(right bool, expected string) (Severity, string) {
	if right {
		return None, ""
	}
	return Error, expected
}
