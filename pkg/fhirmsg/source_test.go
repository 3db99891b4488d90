package fhirmsg

import (
	"strings"
	"testing"
)

func TestAfter(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		source Source
		want   string // "" is taken
	}{
		{Source{Manifest: "https://a.example/m", After: &ManifestPlace{Page: "https://b.example/2", Output: 3}}, ""},
		{Source{URL: "https://a.example/f", After: &ManifestPlace{Page: "https://a.example/2"}}, "after: only with manifest"},
		{Source{Manifest: "https://a.example/m", After: &ManifestPlace{}}, "after.page"},
		{Source{Manifest: "https://a.example/m", After: &ManifestPlace{Page: "file:///etc/passwd"}}, "after.page"},
		{Source{Manifest: "https://a.example/m", After: &ManifestPlace{Page: "https://a.example/m", Deleted: -1}}, "after.output, deleted, outcome"},
	} {
		err := tt.source.check()
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want %q", tt.source.After, err, tt.want)
		}
	}
}

func TestParseHeaders(t *testing.T) {
	t.Parallel()
	got, err := ParseHeaders("Authorization: Bearer a:b\r\n\n  X-Key:k\n")
	if err != nil || len(got) != 2 || got[0] != (Header{"Authorization", "Bearer a:b"}) || got[1] != (Header{"X-Key", "k"}) {
		t.Errorf("got %+v, %v", got, err)
	}
	for text, want := range map[string]string{
		"X-Key: k\nhunter2": "line 2", "\nRange: hunter2": "line 2", "X-Key: hunter2\x01": "line 1", "X Key: hunter2": "line 1",
	} {
		if _, err := ParseHeaders(text); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

// TestSourceText: what cannot be stored, and what has no end, is refused.
func TestSourceText(t *testing.T) {
	t.Parallel()
	const url = "https://a.example/f"
	long := strings.Repeat("x", MaxURL)
	for _, tt := range []struct {
		name   string
		source Source
		want   string // "" is taken
	}{
		{"a type", Source{URL: url, Type: "Patient"}, ""},
		{"no type name", Source{URL: url, Type: "x\x00"}, "type: "},
		{"a reference as a type", Source{URL: url, Type: "Patient/1"}, "type: "},
		{"NUL in a URL", Source{URL: "x\x00"}, "url: "},
		{"a line break in a URL", Source{URL: url + "\n"}, "url: "},
		{"a long URL", Source{URL: url + long}, "url: "},
		{"a line break in the key of an object", Source{URL: "s3://bucket/a\nb"}, ""},
		{"NUL in the key of an object", Source{URL: "s3://bucket/a\x00b"}, "url: "},
		{"NUL in an entity tag", Source{URL: "s3://bucket/a", ETag: "\x00"}, "etag: "},
		{"a long entity tag", Source{URL: "s3://bucket/a", ETag: long}, "etag: "},
		{"NUL in a manifest", Source{Manifest: url + "\x00"}, "manifest: "},
		{"a long manifest", Source{Manifest: url + long}, "manifest: "},
		{"NUL in what was handed in", Source{Spool: "a\x00"}, "spool: "},
		{"NUL in the name of a file", Source{Path: "/a\x00"}, "path: "},
		{"a line break in the name of a file", Source{Path: "/a\nb"}, ""},
		{"NUL in an export", Source{Export: &Export{URL: url + "\x00/$export"}}, "export: url: "},
		{"NUL in a page", Source{Manifest: url, After: &ManifestPlace{Page: url + "\x00"}}, "after.page"},
		{"a long page", Source{Manifest: url, After: &ManifestPlace{Page: url + long}}, "after.page"},
		{"a long header", Source{URL: url, Headers: []Header{{"X-Key", long}}}, "headers[0]: "},
		{"NUL in a header", Source{URL: url, Headers: []Header{{"X-Key", "\x00"}}}, "headers[0]: "},
		{"many headers", Source{URL: url, Headers: make([]Header, MaxHeaders+1)}, "headers: more"},
	} {
		err := tt.source.check()
		if (err == nil) != (tt.want == "") || err != nil && !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}
