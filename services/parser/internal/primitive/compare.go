package primitive

import (
	"bytes"
	"cmp"
)

// Compare orders two values of the types date, dateTime and instant: -1, 0 or 1 as a is
// before, at or after b. A value of less precision is all the time that it names, as
// FHIRPath has it (https://hl7.org/fhirpath/#comparison): the order is determined where one
// has ended when the other begins, or where both are the same value. A date has no zone:
// beside a time with one it may be that date anywhere on Earth, from 14 hours earlier to 14
// hours later. determined is false otherwise, and where a value is none.
func Compare(a, b []byte) (order int, determined bool) {
	x, ok1 := parseSpan(a)
	y, ok2 := parseSpan(b)
	if !ok1 || !ok2 {
		return 0, false
	}
	if x.isTime && y.isTime {
		if x.from != y.from {
			return cmp.Compare(x.from, y.from), true
		}
		return compareFractions(x.fraction, y.fraction), true
	}
	if x.isTime != y.isTime {
		x.widen()
		y.widen()
	}
	switch {
	case x.to <= y.from:
		return -1, true
	case y.to <= x.from:
		return 1, true
	default:
		return 0, x.from == y.from && x.to == y.to
	}
}

// span is the time that a value names, in seconds since the year 1: from from until before
// to; for a time, the second that begins at from.
type span struct {
	from, to int64
	fraction []byte // of the second, in a time
	isTime   bool
}

func parseSpan(text []byte) (span, bool) {
	d, rest, ok := parseDate(text)
	if !ok {
		return span{}, false
	}
	var s span
	switch {
	case d.month == 0:
		s.from, s.to = day*days(d.year, 1, 1), day*days(d.year+1, 1, 1)
	case d.day == 0:
		s.from = day * days(d.year, d.month, 1)
		s.to = s.from + day*int64(daysIn(d.year, d.month))
	default:
		s.from = day * days(d.year, d.month, d.day)
		s.to = s.from + day
	}
	if len(rest) == 0 {
		return s, true
	}
	if rest[0] != 'T' {
		return span{}, false
	}
	c, rest, ok := parseClock(rest[1:])
	if !ok {
		return span{}, false
	}
	zone, ok := parseZone(rest)
	s.from += int64(c.hour*3600 + (c.minute-zone)*60 + c.second)
	s.to = s.from + 1
	s.fraction, s.isTime = c.fraction, true
	return s, ok
}

func (s *span) widen() {
	const most = 14 * 60 * 60
	if !s.isTime {
		s.from -= most
		s.to += most
	}
}

// days returns the number of days from 1 January of the year 1 to a date.
func days(year, month, day int) int64 {
	y := year - 1
	n := y*365 + y/4 - y/100 + y/400 + day - 1
	for m := 1; m < month; m++ {
		n += daysIn(year, m)
	}
	return int64(n)
}

func compareFractions(a, b []byte) int {
	return bytes.Compare(bytes.TrimRight(a, "0"), bytes.TrimRight(b, "0"))
}
