// Package split cuts a stream of lines into pieces: whole lines, up to a size.
//
// What it guarantees:
//
//   - The pieces, one after the other, are the stream, byte for byte; only of a line over the
//     limit is no more than its beginning delivered. Carriage returns, blank lines and a byte
//     order mark stay where they are.
//   - Where pieces begin and end follows from the content and the sizes alone, not from how
//     the reader happens to deliver. A stream continued at the end of any piece gives the same
//     pieces from there on, so chunks published again have the same ids (invariant 2).
//   - Memory is one piece. A single line that is longer takes more, at most twice the longest
//     line allowed and only while it is in hand; what follows in a line over that is passed
//     over without being held (invariant 6).
//   - Lines are counted as wc counts them, and one more where the last newline is missing.
//   - A line that a read error cut off is not delivered as if it were a line.
//
// What it does not guarantee: that the last piece before a read error ends where one would
// end without the error. It does not look into the lines; whether they are JSON is the
// parser's to say.
package split
