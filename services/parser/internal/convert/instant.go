package convert

// parseInstant reads a FHIR instant (https://hl7.org/fhir/R4/datatypes.html#instant):
// YYYY-MM-DDThh:mm:ss, any fraction, Z or an offset. The result is in microseconds since
// 1970; what is finer is cut off. A leap second is the second after it. [time.Parse] would
// take what FHIR does not have (year 0, a comma before the fraction, offsets of 20 hours),
// not take leap seconds, and take twice as long (BenchmarkParseInstant).
func parseInstant(b []byte) (micros int64, ok bool) {
	const form = "dddd-dd-ddTdd:dd:dd"
	if len(b) <= len(form) {
		return 0, false
	}
	for i := range len(form) {
		if c := b[i]; form[i] == 'd' && c-'0' > 9 || form[i] != 'd' && form[i] != c {
			return 0, false
		}
	}
	year, month, day := number(b[0:4]), number(b[5:7]), number(b[8:10])
	hour, minute, second := number(b[11:13]), number(b[14:16]), number(b[17:19])
	if year < 1 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) || hour > 23 || minute > 59 || second > 60 {
		return 0, false
	}
	b = b[len(form):]
	fraction := int64(0)
	if b[0] == '.' {
		digits := 0
		for b = b[1:]; len(b) > 0 && b[0]-'0' <= 9; b = b[1:] {
			if digits < 6 {
				fraction = fraction*10 + int64(b[0]-'0')
			}
			digits++
		}
		if digits == 0 {
			return 0, false
		}
		for ; digits < 6; digits++ {
			fraction *= 10
		}
	}
	offset, ok := parseOffset(b)
	if !ok {
		return 0, false
	}
	seconds := daysSince1970(year, month, day)*86400 + int64(hour)*3600 + int64(minute)*60 + int64(second) - offset
	return seconds*1_000_000 + fraction, true
}

// parseOffset reads Z, +hh:mm or -hh:mm; at most 14 hours. The result is in seconds.
func parseOffset(b []byte) (seconds int64, ok bool) {
	if len(b) == 1 && b[0] == 'Z' {
		return 0, true
	}
	if len(b) != 6 || b[0] != '+' && b[0] != '-' || b[3] != ':' {
		return 0, false
	}
	for _, i := range [...]int{1, 2, 4, 5} {
		if b[i]-'0' > 9 {
			return 0, false
		}
	}
	hours, minutes := number(b[1:3]), number(b[4:6])
	if hours > 14 || minutes > 59 || hours == 14 && minutes > 0 {
		return 0, false
	}
	seconds = int64(hours)*3600 + int64(minutes)*60
	if b[0] == '-' {
		seconds = -seconds
	}
	return seconds, true
}

func number(digits []byte) int {
	n := 0
	for _, c := range digits {
		n = n*10 + int(c-'0')
	}
	return n
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

// daysSince1970 counts days of the Gregorian calendar. The year begins in March, so that
// the leap day is its last.
func daysSince1970(year, month, day int) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	y := int64(year)
	return y*365 + y/4 - y/100 + y/400 + int64((153*(month-3)+2)/5+day-1) - 719468
}
