package generate

import (
	"strconv"
	"time"
)

// moment is a time in seconds since 1970, UTC.
type moment int64

const (
	minute moment = 60
	hour          = 60 * minute
	day           = 24 * hour
	year          = 31557600 // seconds of 365.25 days

	dawn   moment = 1262304000 // 2010-01-01: no record is older
	cutoff moment = 1719792000 // 2024-07-01: the original revision was written before
)

// encoder writes FHIR's data types. Local times are zone hours ahead of UTC.
type encoder struct {
	builder
	zone int64
}

// coding is a code with its system and, unless it is empty, the text that the system gives for it.
type coding struct{ system, code, display string }

func (e *encoder) codingItem(c coding) {
	e.item()
	e.codingMembers(c)
	e.end()
}

func (e *encoder) coding(name string, c coding) {
	e.object(name)
	e.codingMembers(c)
	e.end()
}

func (e *encoder) codingMembers(c coding) {
	e.str("system", c.system)
	e.str("code", c.code)
	if c.display != "" {
		e.str("display", c.display)
	}
}

// concept is a CodeableConcept.
func (e *encoder) concept(name string, codings ...coding) {
	e.object(name)
	e.codings(codings)
	e.end()
}

// concepts is an array of one concept.
func (e *encoder) concepts(name string, c coding) {
	e.array(name)
	e.item()
	e.codings([]coding{c})
	e.end()
	e.endArray()
}

// mainConcept is the concept that a resource is about: its text is the first coding's.
func (e *encoder) mainConcept(name string, codings ...coding) {
	e.object(name)
	e.codings(codings)
	e.str("text", codings[0].display)
	e.end()
}

func (e *encoder) codings(list []coding) {
	e.array("coding")
	for _, c := range list {
		e.codingItem(c)
	}
	e.endArray()
}

func (e *encoder) idElement(self id) {
	e.startText("id")
	e.b = append(e.b, self[:]...)
	e.endText()
}

// reference is a relative reference; an empty display is left out.
func (e *encoder) reference(name string, k kind, to id, display string) {
	e.object(name)
	e.referenceMembers(k, to, display)
	e.end()
}

func (e *encoder) referenceItem(k kind, to id, display string) {
	e.item()
	e.referenceMembers(k, to, display)
	e.end()
}

// references is an array of one reference.
func (e *encoder) references(name string, k kind, to id, display string) {
	e.array(name)
	e.referenceItem(k, to, display)
	e.endArray()
}

func (e *encoder) referenceMembers(k kind, to id, display string) {
	e.startText("reference")
	e.text(k.String())
	e.b = append(e.b, '/')
	e.b = append(e.b, to[:]...)
	e.endText()
	if display != "" {
		e.str("display", display)
	}
}

// quantity is in a UCUM unit.
func (e *encoder) quantity(name string, v int64, scale int, unit, code string) {
	e.object(name)
	e.decimal("value", v, scale)
	e.str("unit", unit)
	e.str("system", ucum)
	e.str("code", code)
	e.end()
}

func (e *encoder) money(name string, cents int64) {
	e.object(name)
	e.decimal("value", cents, 2)
	e.str("currency", "USD")
	e.end()
}

// identifierItem is an identifier in a system of our own; its type may be left empty.
func (e *encoder) identifierItem(typ coding, system, prefix string, number int64) {
	e.item()
	e.str("use", "official")
	if typ.code != "" {
		e.concept("type", typ)
	}
	e.startText("system")
	e.text(ownIDs)
	e.text(system)
	e.endText()
	e.startText("value")
	e.text(prefix)
	e.number(number)
	e.endText()
	e.end()
}

// number is part of a text.
func (e *encoder) number(v int64) { e.b = strconv.AppendInt(e.b, v, 10) }

func (e *encoder) period(name string, start, end moment) {
	e.object(name)
	e.dateTime("start", start)
	e.dateTime("end", end)
	e.end()
}

func (e *encoder) date(name string, m moment) {
	e.startText(name)
	e.dateText(m)
	e.endText()
}

func (e *encoder) dateText(m moment) { e.b = appendDate(e.b, e.local(m)) }

// dateTime is local time with its offset.
func (e *encoder) dateTime(name string, m moment) {
	e.startText(name)
	t := e.local(m)
	e.b = append(appendDate(e.b, t), 'T')
	e.b = appendClock(e.b, t)
	e.offset()
	e.endText()
}

// instant is in UTC, with milliseconds.
func (e *encoder) instant(name string, m moment, millis int64) {
	e.startText(name)
	t := time.Unix(int64(m), 0).UTC()
	e.b = append(appendDate(e.b, t), 'T')
	e.b = append(appendClock(e.b, t), '.')
	e.b = append(appendDigits(e.b, millis, 3), 'Z')
	e.endText()
}

func (e *encoder) local(m moment) time.Time {
	return time.Unix(int64(m)+e.zone*int64(hour), 0).UTC()
}

func (e *encoder) offset() {
	sign, hours := byte('+'), e.zone
	if hours < 0 {
		sign, hours = '-', -hours
	}
	e.b = append(appendDigits(append(e.b, sign), hours, 2), ":00"...)
}

func appendDate(b []byte, t time.Time) []byte {
	y, m, d := t.Date()
	b = append(appendDigits(b, int64(y), 4), '-')
	b = append(appendDigits(b, int64(m), 2), '-')
	return appendDigits(b, int64(d), 2)
}

func appendClock(b []byte, t time.Time) []byte {
	h, m, s := t.Clock()
	b = append(appendDigits(b, int64(h), 2), ':')
	b = append(appendDigits(b, int64(m), 2), ':')
	return appendDigits(b, int64(s), 2)
}

// narrative starts the text element; markup and words fill it, endNarrative ends it. Words are
// escaped for XHTML, markup is not.
func (e *encoder) narrative() {
	e.object("text")
	e.str("status", "generated")
	e.startText("div")
	e.text(`<div xmlns="http://www.w3.org/1999/xhtml">`)
}

func (e *encoder) markup(s string) { e.text(s) }

func (e *encoder) words(s string) {
	start := 0
	for i := range len(s) {
		entity := ""
		switch s[i] {
		case '&':
			entity = "&amp;"
		case '<':
			entity = "&lt;"
		case '>':
			entity = "&gt;"
		default:
			continue
		}
		e.text(s[start:i])
		e.text(entity)
		start = i + 1
	}
	e.text(s[start:])
}

func (e *encoder) endNarrative() {
	e.text("</div>")
	e.endText()
	e.end()
}
