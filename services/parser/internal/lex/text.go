package lex

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// String reads the string whose opening quote is before i and returns the offset behind its
// closing quote. It says in Escaped whether there are escapes.
func (l *Lexer) String(i int) int {
	l.Escaped = false
	start, ascii := i, true
	for {
		i = skipPlain(l.Doc, i)
		if i >= len(l.Doc) {
			return l.Syntax(i, `expected '"' at the end of a string`)
		}
		switch c := l.Doc[i]; {
		case c == '"':
			if !ascii && !utf8.Valid(l.Doc[start:i]) {
				return l.Refuse(start+invalidUTF8(l.Doc[start:i]), "structure", "not valid UTF-8: expected the file in UTF-8")
			}
			return i + 1
		case c == '\\':
			l.Escaped = true
			if i = l.escape(i); i == Failed {
				return Failed
			}
		case c < ' ':
			return l.Syntax(i, "expected control characters in strings to be escaped")
		default:
			ascii = false
			for i++; i < len(l.Doc) && l.Doc[i] >= utf8.RuneSelf; i++ { // they mostly come together
			}
		}
	}
}

// skipPlain returns the offset of the first byte from i on that is a quote, a backslash, a
// control character or not ASCII. It looks at eight bytes at once: subtracting leaves the
// high bit of the lowest byte below the bound set; borrows reach higher bytes only, and the
// lowest one decides.
func skipPlain(doc []byte, i int) int {
	const each, high = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(doc); i += 8 {
		w := binary.LittleEndian.Uint64(doc[i:])
		quote := w ^ each*'"'
		slash := w ^ each*'\\'
		special := ((quote - each) | (slash - each) | (w - each*' ') | w) & high
		if special != 0 {
			// A byte from 0x80 on is in w itself; one below that is flagged truly if it
			// is the lowest.
			return i + bits.TrailingZeros64(special)>>3
		}
	}
	for ; i < len(doc); i++ {
		if c := doc[i]; c == '"' || c == '\\' || c < ' ' || c >= utf8.RuneSelf {
			return i
		}
	}
	return i
}

// escape checks the escape at i and returns the offset behind it. The second half of a
// surrogate pair belongs to the first.
func (l *Lexer) escape(i int) int {
	switch l.At(i + 1) {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2
	case 'u':
	default:
		return l.Syntax(i+1, `expected one of " \ / b f n r t u after a backslash`)
	}
	r, ok := hex4(l.Doc, i+2)
	switch {
	case !ok:
		return l.Syntax(i+2, `expected four hexadecimal digits after \u`)
	case r == 0:
		return l.Refuse(i, "value", `\u0000 cannot be stored: expected no NUL character`)
	case !utf16.IsSurrogate(r):
		return i + 6
	}
	if l.At(i+6) == '\\' && l.At(i+7) == 'u' {
		second, ok := hex4(l.Doc, i+8)
		if !ok {
			return l.Syntax(i+8, `expected four hexadecimal digits after \u`)
		}
		if utf16.DecodeRune(r, second) != utf8.RuneError {
			return i + 12
		}
	}
	return l.Refuse(i, "value", "half of a surrogate pair: expected both halves, the high one first")
}

func hex4(doc []byte, i int) (rune, bool) {
	if i+4 > len(doc) {
		return 0, false
	}
	var r rune
	for _, c := range doc[i : i+4] {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case c >= 'A' && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

// appendUnescaped appends the text of a string that was scanned.
func appendUnescaped(dst, raw []byte) []byte {
	for i := 0; i < len(raw); {
		c := raw[i]
		if c != '\\' || i+1 >= len(raw) {
			dst = append(dst, c)
			i++
			continue
		}
		switch c = raw[i+1]; c {
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 't':
			c = '\t'
		case 'u':
			r, _ := hex4(raw, i+2)
			i += 6
			if utf16.IsSurrogate(r) {
				low, _ := hex4(raw, i+2)
				r = utf16.DecodeRune(r, low)
				i += 6
			}
			dst = utf8.AppendRune(dst, r)
			continue
		}
		dst = append(dst, c)
		i += 2
	}
	return dst
}

// invalidUTF8 returns the offset of the first byte that is not part of a character.
func invalidUTF8(b []byte) int {
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(b)
}
