package ledger

import "testing"

func TestEscapedID(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{"a-1": "a-1", "_search": "%5Fsearch", "$x": "%24x", "a b": "a%20b", "ü": "%C3%BC", "a_b$": "a_b$"} {
		if got := escapedID(id); got != want {
			t.Errorf("%q: %q, want %q", id, got, want)
		}
	}
}
