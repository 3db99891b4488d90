package conformance

import "testing"

// TestTree: a document that is parsed and written again says the same, with its literals.
func TestTree(t *testing.T) {
	t.Parallel()
	for doc, want := range map[string]string{
		`{ "a" : [ 1.50 , -0, 1E+2 ], "b":{}, "c":[] , "a":null}`: `{"a":[1.50,-0,1E+2],"b":{},"c":[],"a":null}`,
		`["\u00e4\/\"\\", "\ud83d\ude00<&>", true, false]`:        `["ä/\"\\","😀<&>",true,false]`,
	} {
		n, err := parse([]byte(doc))
		if err != nil {
			t.Fatal(err)
		}
		if got := string(n.bytes()); got != want {
			t.Errorf("%s is written as %s, want %s", doc, got, want)
		}
	}
}

// TestEscape: every character can be written as an escape.
func TestEscape(t *testing.T) {
	t.Parallel()
	const s = "a/\"\\\n\u00e9\U0001F600"
	if got, want := escapeAll(s), `"\u0061\/\u0022\u005C\u000A\u00e9\uD83D\ude00"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if n := text(""); n.string() != "" || raw(escapeAll(s)).string() != s {
		t.Errorf("%s is read as %q", escapeAll(s), raw(escapeAll(s)).string())
	}
}
