package lex

// Kind is what a JSON value is.
type Kind uint8

// Kinds of values. The zero value is the absence of one.
const (
	Absent Kind = iota
	Null
	Bool
	Number
	String
	Array
	Object
)

// KindOf returns what the value is that begins with a byte.
func KindOf(first byte) Kind {
	switch first {
	case '"':
		return String
	case '{':
		return Object
	case '[':
		return Array
	case 't', 'f':
		return Bool
	case 'n':
		return Null
	default:
		return Number
	}
}

// Value is where a value is in its document.
type Value struct {
	Kind       Kind
	Start, End int    // of the token as written, quotes included
	Text       []byte // of a string, without quotes and escapes
}
