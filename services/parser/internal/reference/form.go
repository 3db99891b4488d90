package reference

// Classes of bytes; one byte may be in several.
const (
	letter = 1 << iota
	digit
	hex
	sign // - and . of ids
	space
	mark // ends what may be a type or a scheme
)

var class = func() (class [256]uint8) {
	for b := range class {
		switch lower := b | 0x20; {
		case b <= ' ':
			class[b] = space
		case b >= '0' && b <= '9':
			class[b] = digit | hex
		case lower >= 'a' && lower <= 'f' && b < 0x80:
			class[b] = letter | hex
		case lower >= 'a' && lower <= 'z' && b < 0x80:
			class[b] = letter
		case b == '-' || b == '.':
			class[b] = sign
		case b == ':' || b == '/' || b == '?' || b == '#':
			class[b] = mark
		}
	}
	return class
}()

func allOf(b []byte, classes uint8) bool {
	for _, c := range b {
		if class[c]&classes == 0 {
			return false
		}
	}
	return true
}

// isType: [A-Z][A-Za-z]+.
func isType(b []byte) bool {
	return len(b) >= 2 && b[0] >= 'A' && b[0] <= 'Z' && allOf(b, letter)
}

// isID: [A-Za-z0-9\-\.]+.
func isID(b []byte) bool { return len(b) > 0 && allOf(b, letter|digit|sign) }

// isScheme: a letter, then letters, digits, '-' and '.' (RFC 3986, 3.1, which also has '+':
// no address of a resource is of such a scheme).
func isScheme(b []byte) bool {
	return len(b) > 0 && class[b[0]]&letter != 0 && allOf(b, letter|digit|sign)
}

// isUUID: hexadecimal digits, grouped 8-4-4-4-12.
func isUUID(b []byte) bool {
	return len(b) == 36 && b[8] == '-' && b[13] == '-' && b[18] == '-' && b[23] == '-' &&
		allOf(b[:8], hex) && allOf(b[9:13], hex) && allOf(b[14:18], hex) && allOf(b[19:23], hex) && allOf(b[24:], hex)
}

// isFold reports whether a text is a word of lower-case letters, in whatever case.
func isFold(b []byte, word string) bool {
	if len(b) != len(word) {
		return false
	}
	for i, c := range b {
		if c|0x20 != word[i] {
			return false
		}
	}
	return true
}
