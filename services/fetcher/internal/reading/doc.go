// Package reading ties a file's source, its format and the cutting into pieces together: it
// opens a file at its beginning, or where an earlier reading left it, and gives the pieces from
// there on.
//
// What a file was when its first piece was read is its [State]. It is stored before that
// piece is published, and a file that is something else now is not read on.
package reading
