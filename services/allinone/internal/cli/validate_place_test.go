package cli

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode"

	"github.com/mattn/go-runewidth"
)

func TestPlace(t *testing.T) {
	t.Parallel()
	const text = "\ufeff{\n  \"näme\": \"山\",\r\n\t\"x\": 1\n}"
	start := len("\ufeff")
	tests := []struct {
		at           string // what is at the place
		line, column int64
		source       string
	}{
		{"{", 1, 1, "{\n^"},
		{"\"näme", 2, 3, "  \"näme\": \"山\",\n  ^"},
		{"\",\r", 2, 13, "  \"näme\": \"山\",\n             ^"},
		{"1\n", 3, 7, " \"x\": 1\n      ^"},
		{"}", 4, 1, "}\n^"},
		{"", 4, 2, "}\n ^"}, // behind the end
		{"1\n", 3, 7, " \"x\": 1\n      ^"},
		{"äme", 2, 5, "  \"näme\": \"山\",\n    ^"},
		{"{", 1, 1, "{\n^"},
	}
	var p place
	for _, tt := range tests {
		to := len(text) // also a way back
		if tt.at != "" {
			to = strings.Index(text, tt.at)
		}
		p.line([]byte(text), start, 1)
		p.move(to)
		if got := p.source(98); p.number != tt.line || p.column != tt.column || got != tt.source {
			t.Errorf("%q: got %d:%d\n%s\nwant %d:%d\n%s", tt.at, p.number, p.column, got, tt.line, tt.column, tt.source)
		}
	}
}

func TestSource(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, before, after string
		width               int
		want                string
	}{
		{"short", "ab", "cd", 10, "abcd\n  ^"},
		{"nothing", "", "", 10, "\n^"},
		{"cut behind", "", "abcdefghijkl", 10, "abcdefgh…\n^"},
		{"cut before", "abcdefghijkl", "", 10, "…efghijkl\n         ^"},
		{"cut on both sides", "abcdefghijkl", "mnopqrstuvw", 10, "…ijklmnop…\n     ^"},
		{"much before, little behind", "abcdefghijkl", "mn", 10, "…ghijklmn\n       ^"},
		{"little before, much behind", "ab", "cdefghijklmnop", 10, "abcdefgh…\n  ^"},
		{"wide characters", "山田", "太郎太郎太郎", 10, "山田太郎…\n    ^"},
		{"combining marks", "e\u0301x", "y", 10, "e\u0301xy\n  ^"},
		{"tabs and controls", "a\tb\x1b[2J", "c\u202ed\u00a0e\x00", 20, "a b·[2Jc·d·e·\n       ^"},
		{"not UTF-8", "\xff\xfe", "\xc3(", 10, "���(\n  ^"},
		{"other lines", "x\nab", "cd\nx", 10, "abcd\n  ^"},
		{"carriage return", "ab", "cd\r\nx", 10, "abcd\n  ^"},
	}
	for _, tt := range tests {
		p := place{}
		p.line([]byte(tt.before+tt.after), 0, 1)
		p.move(len(tt.before))
		if got := p.source(tt.width); got != tt.want {
			t.Errorf("%s: got\n%s\nwant\n%s", tt.name, got, tt.want)
		}
	}
}

// FuzzSource: whatever the text, what is shown is as wide as allowed, on one line, and safe.
func FuzzSource(f *testing.F) {
	f.Add([]byte("{\"a\":\t1}\r\n{\"山\": 2}\n"), 5, 20)
	f.Add([]byte("\ufeff\xff\xc3\x1b[31m\u202e e\u0301"), 3, 3)
	f.Fuzz(func(t *testing.T, text []byte, at, width int) {
		width = 3 + max(width, -width)%100
		var p place
		p.line(text, 0, 1)
		p.move(at)
		shown, caret, ok := strings.Cut(p.source(width), "\n")
		condition := runewidth.Condition{StrictEmojiNeutral: true}
		columns := 0
		for _, r := range shown {
			if !unicode.IsPrint(r) && r != '�' {
				t.Fatalf("%q: shows %U", text, r)
			}
			columns += condition.RuneWidth(r)
		}
		if !ok || columns > width || len(caret) > width+1 || strings.Trim(caret, " ") != "^" {
			t.Fatalf("%q: got %d columns of %d:\n%s\n%s", text, columns, width, shown, caret)
		}
	})
}

// TestPlaceMoves: wherever it comes from, a place is the same.
func TestPlaceMoves(t *testing.T) {
	t.Parallel()
	text := bytes.Repeat([]byte("aä\n山\n\nxyz"), 20)
	random := rand.New(rand.NewPCG(1, 2))
	starts := []int{}
	for i, b := range text {
		if b&0xc0 != 0x80 {
			starts = append(starts, i)
		}
	}
	moved := place{}
	moved.line(text, 0, 7)
	for range 2000 {
		to := starts[random.IntN(len(starts))]
		moved.move(to)
		fresh := place{}
		fresh.line(text, 0, 7)
		fresh.move(to)
		if moved.number != fresh.number || moved.column != fresh.column || moved.at != fresh.at {
			t.Fatalf("at %d: got %d:%d, want %d:%d", to, moved.number, moved.column, fresh.number, fresh.column)
		}
	}
}

func TestGeneralised(t *testing.T) {
	t.Parallel()
	for _, tt := range [][3]string{
		{"Patient", "Patient.name[0].given[12]", "Patient.name.given"},
		{"Patient", "Bundle.entry[3].resource.name[0].given[1]", "Patient.name.given"},
		{"Patient", "Bundle.entry[3].request.url", "Bundle.entry.request.url"},
		{"Patient", "Bundle.entry[3].resource", "Patient"},
		{"Bundle", "Bundle.entry[3].resource.entry[0].resource.id", "Bundle.entry.resource.entry.resource.id"},
		{"", "", ""},
	} {
		if got := generalised(tt[0], tt[1]); got != tt[2] {
			t.Errorf("%s of a %s: got %s, want %s", tt[1], tt[0], got, tt[2])
		}
	}
}
