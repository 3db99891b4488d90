// Package lex reads the tokens of JSON.
//
// A [Lexer] checks what it reads: accepted is RFC 8259, and less of it than that allows
// where a store would fail or two readers would differ: valid UTF-8, no name twice in an
// object (compared after unescaping), no \u0000, no lone surrogate, nesting of at most
// [MaxDepth], numbers within PostgreSQL's numeric. Numbers and all other bytes are kept as
// written: nothing is decoded but the strings that are asked for. Whoever descends through a
// document calls its methods with offsets; each returns the offset behind what it read, or
// [Failed] once Err is set.
//
// [Members] and [Elements] walk over a document that was read without error.
//
// Guarantees: time is linear in the document's length, but for sorting the names of objects
// with more than a few; nothing is allocated once the buffers have grown; errors never hold
// content.
package lex
