package generate

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestBuilder(t *testing.T) {
	t.Parallel()
	var w builder
	w.item()
	w.str("a", "x\"\\\n\t\x01é")
	w.array("b")
	w.item()
	w.end()
	w.item()
	w.integer("c", -7)
	w.boolean("d", true)
	w.end()
	w.endArray()
	w.strs("e", "1", ",")
	w.strs("f")
	w.object("g")
	w.decimal("h", 1205, 2)
	w.decimal("i", -5, 1)
	w.decimal("j", 30, 0)
	w.base64("k", []byte("stoker"))
	w.end()
	w.end()
	got := string(w.b)
	want := `{"a":"x\"\\\n\u0009\u0001é","b":[{},{"c":-7,"d":true}],"e":["1",","],"f":[],` +
		`"g":{"h":12.05,"i":-0.5,"j":30,"k":"c3Rva2Vy"}}`
	if got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	var e encoder
	e.item()
	e.narrative()
	e.words(`a<b> & "c"`)
	e.endNarrative()
	e.end()
	got := string(e.b)
	want := `{"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">a&lt;b&gt; &amp; \"c\"</div>"}}`
	if got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestDates(t *testing.T) {
	t.Parallel()
	e := encoder{zone: -7}
	e.item()
	e.date("a", 1709173800) // 2024-02-29T02:30:00Z
	e.dateTime("b", 1709173800)
	e.instant("c", 1709173800, 7)
	e.date("d", -1)
	e.zone = 2
	e.dateTime("e", 1709173800)
	e.end()
	got := string(e.b)
	want := `{"a":"2024-02-28","b":"2024-02-28T19:30:00-07:00","c":"2024-02-29T02:30:00.007Z","d":"1969-12-31",` +
		`"e":"2024-02-29T04:30:00+02:00"}`
	if got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

// FuzzText compares the escaping of strings with what the standard library reads.
func FuzzText(f *testing.F) {
	f.Add("plain")
	f.Add("\x00\x1f\"\\\u2028é\n")
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			s = strings.ToValidUTF8(s, "?")
		}
		var w builder
		w.item()
		w.str("s", s)
		w.end()
		var got struct{ S string }
		if err := json.Unmarshal(w.b, &got); err != nil || got.S != s {
			t.Errorf("got %q, %v, want %q", got.S, err, s)
		}
	})
}
