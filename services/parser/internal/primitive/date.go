package primitive

// date is a date as far as it is given: month and day are 0 where they are not.
type date struct{ year, month, day int }

// clock is a time of day. The second may be 60 in every minute, as the regular expressions
// have it: which minutes had a leap second is not known ahead.
type clock struct {
	hour, minute, second int
	fraction             []byte // digits, if any
}

// parseDate reads as much of YYYY-MM-DD as there is, of years 0001 to 9999, with the days
// that the month had, and returns what is behind it.
func parseDate(text []byte) (d date, rest []byte, ok bool) {
	if len(text) < 4 {
		return date{}, nil, false
	}
	high, ok1 := twoDigits(text, 0)
	low, ok2 := twoDigits(text, 2)
	d.year = high*100 + low
	if !ok1 || !ok2 || d.year == 0 {
		return date{}, nil, false
	}
	if len(text) == 4 {
		return d, nil, true
	}
	if d.month, ok = twoDigits(text, 5); !ok || text[4] != '-' || d.month < 1 || d.month > 12 {
		return date{}, nil, false
	}
	if len(text) == 7 {
		return d, nil, true
	}
	if d.day, ok = twoDigits(text, 8); !ok || text[7] != '-' || d.day < 1 || d.day > daysIn(d.year, d.month) {
		return date{}, nil, false
	}
	return d, text[10:], true
}

// parseClock reads hh:mm:ss and any fraction, and returns what is behind it.
func parseClock(text []byte) (c clock, rest []byte, ok bool) {
	if len(text) < 8 || text[2] != ':' || text[5] != ':' {
		return clock{}, nil, false
	}
	var ok1, ok2, ok3 bool
	c.hour, ok1 = twoDigits(text, 0)
	c.minute, ok2 = twoDigits(text, 3)
	c.second, ok3 = twoDigits(text, 6)
	if !ok1 || !ok2 || !ok3 || c.hour > 23 || c.minute > 59 || c.second > 60 {
		return clock{}, nil, false
	}
	if text = text[8:]; len(text) == 0 || text[0] != '.' {
		return c, text, true
	}
	end := 1
	for end < len(text) && isDigit(text[end]) {
		end++
	}
	c.fraction = text[1:end]
	return c, text[end:], end > 1
}

// parseZone reads Z or an offset of up to 14 hours, in minutes, and nothing behind it.
func parseZone(text []byte) (minutes int, ok bool) {
	if len(text) == 1 {
		return 0, text[0] == 'Z'
	}
	if len(text) != 6 || text[0] != '+' && text[0] != '-' || text[3] != ':' {
		return 0, false
	}
	hour, ok1 := twoDigits(text, 1)
	minute, ok2 := twoDigits(text, 4)
	minutes = hour*60 + minute
	if text[0] == '-' {
		return -minutes, ok1 && ok2 && minute <= 59 && minutes <= 14*60
	}
	return minutes, ok1 && ok2 && minute <= 59 && minutes <= 14*60
}

// isDate: https://hl7.org/fhir/R4/datatypes.html#date.
func isDate(text []byte) bool {
	_, rest, ok := parseDate(text)
	return ok && len(rest) == 0
}

// isDateTime: https://hl7.org/fhir/R4/datatypes.html#dateTime. "If hours and minutes are
// specified, a time zone SHALL be populated. Seconds must be provided due to schema type
// constraints but may be zero-filled and may be ignored."
func isDateTime(text []byte) bool {
	_, rest, ok := parseDate(text)
	return ok && (len(rest) == 0 || isTimeWithZone(rest))
}

// isInstant: https://hl7.org/fhir/R4/datatypes.html#instant.
func isInstant(text []byte) bool {
	_, rest, ok := parseDate(text)
	return ok && isTimeWithZone(rest)
}

func isTimeWithZone(text []byte) bool {
	if len(text) == 0 || text[0] != 'T' {
		return false
	}
	_, rest, ok := parseClock(text[1:])
	if !ok {
		return false
	}
	_, ok = parseZone(rest)
	return ok
}

// isTime: https://hl7.org/fhir/R4/datatypes.html#time. "A time zone SHALL NOT be present."
func isTime(text []byte) bool {
	_, rest, ok := parseClock(text)
	return ok && len(rest) == 0
}

func twoDigits(text []byte, i int) (n int, ok bool) {
	if len(text) < i+2 {
		return 0, false
	}
	high, low := text[i]-'0', text[i+1]-'0'
	return int(high)*10 + int(low), high <= 9 && low <= 9
}

func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	default:
		return 31
	}
}
