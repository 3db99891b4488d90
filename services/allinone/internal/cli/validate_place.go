package cli

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"
)

// place is a position in a text. Moving it costs as much as the way is long.
type place struct {
	text   []byte
	start  int   // of the unit in the text: a line, or a document
	at     int   // bytes from the text's beginning
	number int64 // of the line, from 1
	column int64 // characters, from 1
	unit   int64 // number of the unit's first line
}

// line goes to the beginning of a unit. Going to the one that it is in leaves it where it is.
func (p *place) line(text []byte, start int, number int64) {
	if p.text != nil && p.start == start && p.unit == number {
		return
	}
	*p = place{text: text, start: start, at: start, number: number, column: 1, unit: number}
}

// move goes to a position, within the unit and the text.
func (p *place) move(to int) {
	to = min(max(to, p.start), len(p.text))
	way := p.text[min(p.at, to):max(p.at, to)]
	lines := int64(bytes.Count(way, newline))
	switch {
	case lines > 0:
		p.column = int64(utf8.RuneCount(p.text[p.lineStart(to):to])) + 1
	case to >= p.at:
		p.column += int64(utf8.RuneCount(way))
	default:
		p.column -= int64(utf8.RuneCount(way))
	}
	if to < p.at {
		lines = -lines
	}
	p.at, p.number = to, p.number+lines
}

var newline = []byte("\n")

// lineStart is where the line that a position is in begins.
func (p *place) lineStart(at int) int {
	return p.start + bytes.LastIndexByte(p.text[p.start:at], '\n') + 1
}

// source is the line around the place and, in the next line, a caret under it. It is at most
// width columns, and safe to show on a terminal.
func (p *place) source(width int) string {
	if width <= 0 {
		return ""
	}
	before, after := p.text[p.lineStart(p.at):p.at], p.text[p.at:]
	if i := bytes.IndexByte(after, '\n'); i >= 0 {
		after = after[:i]
	}
	after = bytes.TrimSuffix(after, []byte("\r"))

	room := width - 2 // for the marks where the line was cut
	_, rightWidth, _ := cells(after, room, false)
	_, leftWidth, _ := cells(before, room, true)
	leftRoom := max(room/2, room-rightWidth)
	left, leftWidth, cutLeft := cells(before, min(leftRoom, leftWidth), true)
	right, _, cutRight := cells(after, room-leftWidth, false)

	var b strings.Builder
	if cutLeft {
		b.WriteString("…")
		leftWidth++
	}
	b.WriteString(left)
	b.WriteString(right)
	if cutRight {
		b.WriteString("…")
	}
	b.WriteByte('\n')
	b.WriteString(strings.Repeat(" ", leftWidth))
	b.WriteByte('^')
	return b.String()
}

// cells returns as much of the text as fits into width columns, from its beginning, or from
// its end. What a terminal would not show as it is, is replaced.
func cells(text []byte, width int, fromEnd bool) (shown string, columns int, cut bool) {
	var parts []string
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		if fromEnd {
			r, size = utf8.DecodeLastRune(text)
		}
		cell, w := visible(r)
		if columns+w > width {
			cut = true
			break
		}
		columns += w
		parts = append(parts, cell)
		if fromEnd {
			text = text[:len(text)-size]
		} else {
			text = text[size:]
		}
	}
	if fromEnd {
		for i, j := 0, len(parts)-1; i < j; i, j = i+1, j-1 {
			parts[i], parts[j] = parts[j], parts[i]
		}
	}
	return strings.Join(parts, ""), columns, cut
}

// visible is what stands for a character on a terminal, and its width in columns.
func visible(r rune) (string, int) {
	switch {
	case r == '\t':
		return " ", 1
	case r == utf8.RuneError:
		return "�", 1
	case !unicode.IsPrint(r):
		return "·", 1 // control characters, those that change the direction, no-break spaces
	default:
		byRune := runewidth.Condition{StrictEmojiNeutral: true} // not by the locale: the same input has the same output
		return string(r), byRune.RuneWidth(r)
	}
}

// safe replaces what a terminal would not show as it is.
func safe(text string) string {
	for _, r := range text {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			shown, _, _ := cells([]byte(text), len(text), false)
			return shown
		}
	}
	return text
}
