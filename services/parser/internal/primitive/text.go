package primitive

import (
	"encoding/binary"
	"unicode/utf8"
)

// maxString is the greatest length of a string: 1 MB (https://hl7.org/fhir/R4/datatypes.html#string),
// which the type's definition counts in characters (maxLength of string.value).
const maxString = 1 << 20

// checkString checks a string or markdown. It SHALL NOT be empty or longer than 1 MB. It SHOULD
// have content other than white space and no control characters
// (https://hl7.org/fhir/R4/datatypes.html#string): those are warnings. No-break spaces are
// characters like others.
func checkString(text []byte) (s Severity, expected string) {
	if len(text) == 0 {
		return Error, wantString
	}
	if len(text) > maxString && utf8.RuneCount(text) > maxString {
		return Error, wantShortString
	}
	i := 0
	for i < len(text) && isXMLSpace(text[i]) {
		i++
	}
	switch {
	case i == len(text):
		return Warning, wantString
	case hasControl(text[i:]):
		return Warning, wantNoControl
	}
	return None, ""
}

// hasControl reports whether there is a control character other than tab, line feed and
// carriage return. Eight bytes without any, which is the rule, are told at once: subtracting
// sets the high bit of the lowest byte below the space, and borrows reach only higher ones.
func hasControl(text []byte) bool {
	const each, high = 0x0101010101010101, 0x8080808080808080
	for len(text) >= 8 {
		w := binary.LittleEndian.Uint64(text)
		if (w-each*' ')&^w&high != 0 && hasControlByte(text[:8]) {
			return true
		}
		text = text[8:]
	}
	return hasControlByte(text)
}

func hasControlByte(text []byte) bool {
	for _, c := range text {
		if c < ' ' && !isXMLSpace(c) {
			return true
		}
	}
	return false
}

// isXMLSpace: the white space that strings may have, the same that XML has.
func isXMLSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// isCode: "a string which has at least one character and no leading or trailing whitespace,
// and where there is no whitespace other than single spaces in the contents". The regular
// expression alone, [^\s]+(\s[^\s]+)*, would take a tab or a line end inside.
func isCode(text []byte) bool {
	last := byte(' ')
	for _, c := range text {
		if c <= ' ' && (c != ' ' || last == ' ') {
			return false
		}
		last = c
	}
	return last != ' '
}

// isURI: \S*, where a value is not empty. Control characters are in no URI (RFC 3986). What
// else a URI of some scheme must look like is not judged: too many that are in use are not
// what RFC 3986 says.
func isURI(text []byte) bool {
	for _, c := range text {
		if c <= ' ' {
			return false
		}
	}
	return len(text) > 0
}

// isID: [A-Za-z0-9\-\.]{1,64}.
func isID(text []byte) bool {
	for _, c := range text {
		if lower := c | 0x20; (lower < 'a' || lower > 'z') && !isDigit(c) && c != '-' && c != '.' {
			return false
		}
	}
	return len(text) >= 1 && len(text) <= 64
}

// IsOID reports whether a text matches urn:oid:[0-2](\.(0|[1-9][0-9]*))+.
func IsOID(text []byte) bool {
	const prefix = "urn:oid:"
	if len(text) <= len(prefix)+2 || string(text[:len(prefix)]) != prefix || text[len(prefix)]-'0' > 2 {
		return false
	}
	for text = text[len(prefix)+1:]; len(text) > 0; {
		if text[0] != '.' {
			return false
		}
		digits := 1
		for digits < len(text) && isDigit(text[digits]) {
			digits++
		}
		if digits == 1 || digits > 2 && text[1] == '0' {
			return false
		}
		text = text[digits:]
	}
	return true
}

// isUUID:
// urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}. RFC 4122 has readers
// take capitals too, but FHIR compares URIs by case and says "use all lowercase"
// (https://hl7.org/fhir/R4/datatypes.html#uri): two spellings would be two addresses. All
// UUIDs of the official examples and of the suppliers known here are in lower case.
func isUUID(text []byte) bool {
	const form = "urn:uuid:xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"
	if len(text) != len(form) {
		return false
	}
	for i, c := range text {
		if f := form[i]; f == 'x' && !isDigit(c) && (c < 'a' || c > 'f') || f != 'x' && c != f {
			return false
		}
	}
	return true
}

func isDigit(c byte) bool { return c-'0' <= 9 }
