// Package format tells what a file is by its content, never by its name: how it is
// compressed, and whether it holds lines or is one JSON document.
//
// Compression is none, gzip (RFC 1952) or zstd (RFC 8878), of one layer, in one or more
// members or frames. What can be decoded is delivered before the error that says what is
// wrong; content that is damaged or cut short is never taken as whole, nor is anything that
// follows the last member ignored. Content that grows beyond all proportion is given up.
//
// Whether a file is a document is a judgement on its beginning, of at most [Window] bytes: it
// is one if its first JSON value goes on over several lines. In doubt a file holds lines, where
// a mistake costs a line and not the file. A document whose first line does not end within the
// window is taken for lines.
//
// The package does not check JSON, and does not unpack archives or files in files.
package format
