package fhirmsg

import "cmp"

// Version orders what is known of one resource. The store keeps, for each key, the
// resource with the greatest version, so that any order of arrival, any repetition
// and any replay end in the same rows.
//
// Times are microseconds since 1970-01-01T00:00:00Z, PostgreSQL's precision.
type Version struct {
	Stamp  int64 // mode overwrite: equals Issued; mode sync: the source's time, see [Stamp]
	Issued int64 // when the import was accepted; unique to the import
	Ordinal
}

// Ordinal says where in an import a resource came from. Within an import the later
// one wins.
type Ordinal struct {
	File  int32 // index of the file in the import, from 0
	Line  int64 // line in the file, from 1; a file that is one document is line 1
	Entry int32 // 0: the line itself; n: entry n of a Bundle, from 1; -n: entry n of a history Bundle, newest first
}

// Compare compares from left to right: stamp, issued, file, line, entry. Entries of a
// history Bundle are negative, since FHIR puts the newest first
// (https://hl7.org/fhir/R4/http.html#history).
func (v Version) Compare(w Version) int {
	return cmp.Or(
		cmp.Compare(v.Stamp, w.Stamp),
		cmp.Compare(v.Issued, w.Issued),
		cmp.Compare(v.File, w.File),
		cmp.Compare(v.Line, w.Line),
		cmp.Compare(v.Entry, w.Entry),
	)
}

// Mode is how a dataset orders versions. A dataset has one mode, fixed by its first
// import.
type Mode string

const (
	// ModeOverwrite: the import accepted later wins.
	ModeOverwrite Mode = "overwrite"
	// ModeSync: the resource changed later at its source wins.
	ModeSync Mode = "sync"
)

// Stamp is the first part of a version. In mode sync it is lastUpdated where known,
// else asOf where known, never later than issued, so that no date in the future can pin
// a row; clamped says whether that mattered. In mode overwrite it is issued.
// Times are microseconds since 1970; nil is unknown.
func Stamp(mode Mode, lastUpdated, asOf *int64, issued int64) (stamp int64, clamped bool) {
	if mode != ModeSync {
		return issued, false
	}
	stamp = issued
	switch {
	case lastUpdated != nil:
		stamp = *lastUpdated
	case asOf != nil:
		stamp = *asOf
	}
	if stamp > issued {
		return issued, true
	}
	return stamp, false
}
