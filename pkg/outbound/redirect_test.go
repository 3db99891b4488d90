package outbound

import (
	"net/url"
	"testing"
)

func TestRedirected(t *testing.T) {
	t.Parallel()
	tests := []struct{ from, location, want string }{ // want "": refused
		{"http://a/x/y?q#f", "z", "http://a/x/z"},
		{"http://a/x", "//b/y", "http://b/y"},
		{"http://a/x", "https://b/y?q=1", "https://b/y?q=1"},
		{"http://me:secret@a/x", "/y", "http://me:secret@a/y"},
		{"http://me:secret@a/x", "http://a/y", "http://me:secret@a/y"},
		{"http://me:secret@a/x", "http://b/y", "http://b/y"},
		{"http://me:secret@a/x", "http://a:8080/y", "http://a:8080/y"},
		{"https://me:secret@a/x", "https://a/y", "https://me:secret@a/y"},
		{"https://a/x", "http://a/y", ""},
		{"https://a/x", "file:///y", ""},
		{"https://a/x", "", ""},
		{"https://a/x", "https:///y", ""},
		{"https://a/x", "http://%zz", ""},
	}
	for _, tt := range tests {
		from, err := url.Parse(tt.from)
		if err != nil {
			t.Fatal(err)
		}
		got, err := redirected(from, tt.location)
		switch {
		case tt.want == "" && err == nil:
			t.Errorf("%s to %s: got %s, want an error", tt.from, tt.location, got)
		case tt.want != "" && (err != nil || got.String() != tt.want):
			t.Errorf("%s to %s: got %v, %v; want %s", tt.from, tt.location, got, err, tt.want)
		}
	}
}
