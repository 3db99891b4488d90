package xhtml

import "bytes"

// isActive reports whether an attribute's value, well-formed, is an address that executes or
// shows a page of its own: javascript: and vbscript:, and data: of any but harmless types.
// Links to data: are rare and seldom followed by browsers; images embedded so are what the
// specification recommends, and those are never executed.
func isActive(value []byte, isImage bool) bool {
	var buffer [32]byte
	start := buffer[:begin(value, &buffer)]
	rest, isData := bytes.CutPrefix(start, []byte("data:"))
	switch {
	case !isData:
		return bytes.HasPrefix(start, []byte("javascript:")) || bytes.HasPrefix(start, []byte("vbscript:"))
	case bytes.HasPrefix(rest, []byte("image/")):
		return !isImage && bytes.HasPrefix(rest, []byte("image/svg"))
	default:
		return isImage || !bytes.HasPrefix(rest, []byte("text/plain")) && !bytes.HasPrefix(rest, []byte("application/pdf"))
	}
}

// begin copies the begin of a value as a browser would see it: references decoded, white
// space left out, letters in lower case. It ends at what is neither in a scheme nor in a
// type of content.
func begin(value []byte, buffer *[32]byte) (n int) {
	for i := 0; i < len(value) && n < len(buffer); {
		code, length := rune(value[i]), 1
		if code == '&' {
			if code, length = decode(value[i:]); length == 0 {
				return n
			}
		}
		i += length
		switch {
		case code <= ' ':
			continue
		case code >= 'A' && code <= 'Z':
			code |= 0x20
		case code >= 0x7F:
			return n
		}
		buffer[n] = byte(code)
		n++
	}
	return n
}
