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
