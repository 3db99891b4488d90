package fhirmsg

import (
	"fmt"
	"strconv"
	"strings"
)

// DefaultMaxRejects is the limit of a request that names none.
const DefaultMaxRejects = "10%"

// DefaultMaxDeletes is the limit of a snapshot that names none.
const DefaultMaxDeletes = "5%"

// NoDeletes is the limit of a snapshot that deletes nothing until somebody confirms it.
const NoDeletes = "0"

// ShareAfter is how many resources and rejected lines there must be before a share counts.
const ShareAfter = 1000

// RejectLimit is how much of an import may be rejected before it is paused, or how much a snapshot may delete.
type RejectLimit struct {
	Off   bool
	Count int64   // at most; where Share is 0
	Share float64 // at most, 0.1 is 10 %
	text  string
}

// ParseRejectLimit reads a limit: a number of rejects, a share such as "2.5%", or "off". ""
// is [DefaultMaxRejects].
func ParseRejectLimit(s string) (RejectLimit, error) {
	if s == "" {
		s = DefaultMaxRejects
	}
	if s == "off" {
		return RejectLimit{Off: true, text: s}, nil
	}
	limit := RejectLimit{text: s}
	if number, ok := strings.CutSuffix(s, "%"); ok {
		percent, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err == nil && percent > 0 && percent <= 100 {
			limit.Share = percent / 100
			return limit, nil
		}
	} else if n, err := strconv.ParseInt(s, 10, 64); err == nil && n >= 0 {
		limit.Count = n
		return limit, nil
	}
	return RejectLimit{}, fmt.Errorf("%q: must be a number such as 100, a share such as 2.5%%, or off", s)
}

// String is the limit as it was written.
func (l RejectLimit) String() string { return l.text }

// Passed reports whether rejected are more than the limit allows of seen: resources and
// rejected lines. A share counts from [ShareAfter] of them on, since a small file with a
// single mistake would pass it.
func (l RejectLimit) Passed(rejected, seen int64) bool {
	switch {
	case l.Off:
		return false
	case l.Share > 0:
		return seen >= ShareAfter && float64(rejected) > l.Share*float64(seen)
	default:
		return rejected > l.Count
	}
}

// ParseDeleteLimit reads how much a snapshot may delete, in the form of [ParseRejectLimit]. "" is [DefaultMaxDeletes].
func ParseDeleteLimit(s string) (RejectLimit, error) {
	if s == "" {
		s = DefaultMaxDeletes
	}
	return ParseRejectLimit(s)
}

// Exceeded is [RejectLimit.Passed] with a share that counts from the first one on: deletions are rather
// refused too often.
func (l RejectLimit) Exceeded(n, of int64) bool {
	if l.Share > 0 {
		return float64(n) > l.Share*float64(of)
	}
	return l.Passed(n, of)
}
