package reference

// isType: [A-Z][A-Za-z]+.
func isType(b []byte) bool {
	if len(b) < 2 || b[0] < 'A' || b[0] > 'Z' {
		return false
	}
	for _, c := range b {
		if !isLetter(c) {
			return false
		}
	}
	return true
}

// isID: [A-Za-z0-9\-\.]+.
func isID(b []byte) bool {
	for _, c := range b {
		if !isLetter(c) && !isDigit(c) && c != '-' && c != '.' {
			return false
		}
	}
	return len(b) > 0
}

// isScheme: a letter, then letters, digits, '+', '-' and '.' (RFC 3986, 3.1).
func isScheme(b []byte) bool {
	for _, c := range b {
		if !isLetter(c) && !isDigit(c) && c != '+' && c != '-' && c != '.' {
			return false
		}
	}
	return len(b) > 0 && isLetter(b[0])
}

// isUUID: hexadecimal digits, grouped 8-4-4-4-12.
func isUUID(b []byte) bool {
	const form = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"
	if len(b) != len(form) {
		return false
	}
	for i, c := range b {
		lower := c | 0x20
		if f := form[i]; f == 'x' && !isDigit(c) && (lower < 'a' || lower > 'f') || f != 'x' && c != f {
			return false
		}
	}
	return true
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

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

func isDigit(c byte) bool { return c-'0' <= 9 }
