package scan

import "fmt"

// Error says why a document is not accepted, without showing anything of it.
type Error struct {
	Offset int    // bytes from the document's beginning
	Code   string // of OperationOutcome.issue: structure, value, too-long
	Msg    string

	beyond bool // JSON by the RFC, refused by a limit of ours
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("byte %d: %s", e.Offset, e.Msg) }

// failed is returned instead of an offset once s.err is set.
const failed = -1

// syntax records that something else was expected at i.
func (s *Scanner) syntax(i int, msg string) int {
	if i >= len(s.doc) {
		msg = "not complete: ends where JSON goes on: " + msg
	} else {
		msg = "not JSON: " + msg
	}
	s.err = &Error{Offset: min(i, len(s.doc)), Code: "structure", Msg: msg}
	return failed
}

// refuse records that what is at i is JSON but cannot be taken.
func (s *Scanner) refuse(i int, code, msg string) int {
	s.err = &Error{Offset: i, Code: code, Msg: msg, beyond: true}
	return failed
}
