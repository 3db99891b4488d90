package lex

import "fmt"

// Error says why a document is not accepted, without showing anything of it.
type Error struct {
	Offset int    // bytes from the document's beginning
	Code   string // of OperationOutcome.issue: structure, value, too-long
	Msg    string

	// Beyond is set for what is JSON by the RFC and refused by a limit of ours.
	Beyond bool
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("byte %d: %s", e.Offset, e.Msg) }

// Failed is returned instead of an offset once Lexer.Err is set.
const Failed = -1

// Syntax records that something else was expected at i.
func (l *Lexer) Syntax(i int, msg string) int {
	if i >= len(l.Doc) {
		msg = "not complete: ends where JSON goes on: " + msg
	} else {
		msg = "not JSON: " + msg
	}
	l.Err = &Error{Offset: min(i, len(l.Doc)), Code: "structure", Msg: msg}
	return Failed
}

// Refuse records that what is at i is JSON but cannot be taken.
func (l *Lexer) Refuse(i int, code, msg string) int {
	l.Err = &Error{Offset: i, Code: code, Msg: msg, Beyond: true}
	return Failed
}
