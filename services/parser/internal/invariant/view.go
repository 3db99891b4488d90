package invariant

import (
	"iter"

	"github.com/stoker-fhir/stoker/services/parser/internal/lex"
)

// What is below goes by offsets into valid JSON; -1 is no value.

// text returns the text of a string, or a number or literal as written.
func text(doc []byte, at int) []byte {
	if at < 0 {
		return nil
	}
	v := lex.At(doc, at)
	if v.Kind == lex.String {
		return v.Text
	}
	return doc[v.Start:v.End]
}

// elements yields the offsets of an array's elements, or of any other value, which is like
// an array of one. Nulls are left out: they stand for values that only have companions.
func elements(doc []byte, at int) iter.Seq[int] {
	return func(yield func(int) bool) {
		if !inside(doc, at) {
			return
		}
		if doc[at] != '[' {
			if doc[at] != 'n' {
				yield(at)
			}
			return
		}
		for i := space(doc, at+1); inside(doc, i) && doc[i] != ']'; i = next(doc, i) {
			if doc[i] != 'n' && !yield(i) {
				return
			}
		}
	}
}

// members yields the names of an object's members and the offsets of their values.
func members(doc []byte, at int) iter.Seq2[[]byte, int] {
	return func(yield func([]byte, int) bool) {
		if !inside(doc, at) || doc[at] != '{' {
			return
		}
		for i := space(doc, at+1); inside(doc, i) && doc[i] != '}'; {
			name := lex.At(doc, i)
			i = space(doc, space(doc, name.End)+1) // over the colon
			if !yield(name.Text, i) {
				return
			}
			i = next(doc, i)
		}
	}
}

// next returns the offset of what follows the value at i: another one, behind the comma, or
// the end of what they are in.
func next(doc []byte, i int) int {
	i = space(doc, end(doc, i))
	if inside(doc, i) && doc[i] == ',' {
		i = space(doc, i+1)
	}
	return i
}

// end returns the offset behind the value at i. Strings are not unescaped for it.
func end(doc []byte, i int) int {
	if !inside(doc, i) || doc[i] != '"' {
		return lex.At(doc, i).End
	}
	for i++; i < len(doc) && doc[i] != '"'; i++ {
		if doc[i] == '\\' {
			i++
		}
	}
	return i + 1
}

func inside(doc []byte, i int) bool { return uint(i) < uint(len(doc)) }

func space(doc []byte, i int) int {
	for i < len(doc) && (doc[i] == ' ' || doc[i] == '\n' || doc[i] == '\r' || doc[i] == '\t') {
		i++
	}
	return i
}

// member returns the offset of the value of an object's member, or -1.
func member(doc []byte, at int, name string) int {
	for n, v := range members(doc, at) {
		if string(n) == name {
			return v
		}
	}
	return -1
}
