package primitive

const (
	day = 24 * 60 * 60 // seconds
	// daysTo1970 are those from 1 January of the year 1.
	daysTo1970 = 719162
)

// Micros reads an instant (https://hl7.org/fhir/R4/datatypes.html#instant), in microseconds
// since 1970; what is finer is cut off. A leap second is the second after it. [time.Parse]
// would take what FHIR does not have (year 0, a comma before the fraction, offsets of 20
// hours), not take leap seconds, and take longer (BenchmarkMicros).
func Micros(text []byte) (micros int64, ok bool) {
	d, rest, ok := parseDate(text)
	if !ok || len(rest) == 0 || rest[0] != 'T' {
		return 0, false
	}
	c, rest, ok := parseClock(rest[1:])
	if !ok {
		return 0, false
	}
	zone, ok := parseZone(rest)
	seconds := day*(days(d.year, d.month, d.day)-daysTo1970) + int64(c.hour*3600+(c.minute-zone)*60+c.second)
	fraction := int64(0)
	for i := range 6 {
		fraction *= 10
		if i < len(c.fraction) {
			fraction += int64(c.fraction[i] - '0')
		}
	}
	return seconds*1_000_000 + fraction, ok
}
