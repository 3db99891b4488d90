package primitive

// Classes of bytes in base64.
const (
	notBase64 = iota
	base64Digit
	base64Pad
	base64Space
)

var base64Class = func() (class [256]uint8) {
	for c := range class {
		switch b := byte(c); {
		case isDigit(b), b >= 'A' && b <= 'Z', b >= 'a' && b <= 'z', b == '+', b == '/':
			class[c] = base64Digit
		case b == '=':
			class[c] = base64Pad
		case isXMLSpace(b), b == '\v', b == '\f':
			class[c] = base64Space
		}
	}
	return class
}()

// isBase64: (\s*([0-9a-zA-Z\+/=]){4}\s*)+, and what RFC 4648 says of "=": one or two at the
// very end. White space is between groups of four only, as the expression has it.
func isBase64(text []byte) bool {
	i, groups := 0, 0
	for {
		for i+4 <= len(text) {
			b := text[i : i+4 : i+4]
			if base64Class[b[0]]|base64Class[b[1]]|base64Class[b[2]]|base64Class[b[3]] != base64Digit ||
				base64Class[b[0]]&base64Class[b[1]]&base64Class[b[2]]&base64Class[b[3]] == 0 {
				break
			}
			i, groups = i+4, groups+1
		}
		space := i
		for i < len(text) && base64Class[text[i]] == base64Space {
			i++
		}
		if i == len(text) {
			return groups > 0
		}
		if i == space {
			break
		}
	}
	return isLastGroup(text[i:])
}

// isLastGroup: two or three digits, filled up to four with "=", and white space behind.
func isLastGroup(text []byte) bool {
	if len(text) < 4 || text[3] != '=' || base64Class[text[0]] != base64Digit || base64Class[text[1]] != base64Digit ||
		text[2] != '=' && base64Class[text[2]] != base64Digit {
		return false
	}
	for _, c := range text[4:] {
		if base64Class[c] != base64Space {
			return false
		}
	}
	return true
}
