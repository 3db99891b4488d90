package outbound

import (
	"net/url"
	"testing"
)

func TestCovers(t *testing.T) {
	t.Parallel()
	const prefix = "https://a.example/bulk/"
	tests := []struct {
		prefix, url string
		want        bool
	}{
		{prefix, "https://a.example/bulk/", true},
		{prefix, "https://a.example/bulk", true},
		{prefix, "https://a.example/bulk/x?sig=1#f", true},
		{prefix, "https://A.Example.:443/bulk/x", true},
		{prefix, "https://me:secret@a.example/bulk/x", true},
		{"https://a.example/bulk", "https://a.example/bulk/x", true},
		{"https://a.example", "https://a.example/anything", true},
		{"https://a.example/", "https://a.example", true},
		{"http://[::1]:80/", "http://[::1]/x", true},
		{prefix, "https://a.example/bulky/x", false},
		{prefix, "https://a.example/", false},
		{prefix, "http://a.example/bulk/x", false},
		{prefix, "https://a.example:8443/bulk/x", false},
		{prefix, "https://b.example/bulk/x", false},
		{prefix, "https://a.example@b.example/bulk/x", false},
		{prefix, "https://a.example.b.example/bulk/x", false},
		{prefix, "https://a.example/bulk/../x", false},
		{prefix, "https://a.example/bulk/%2e%2e/x", false},
		{prefix, "https://a.example/bulk/..%2fx", false},
		{prefix, "https://a.example/bulk/..;/x", false},
		{prefix, `https://a.example/bulk/..%5Cx`, false},
		{prefix, "https://a.example/bulk/%252e%252e/x", false},
		{"https://a.example/?q", "https://a.example/", false},
		{"not a prefix", "https://a.example/", false},
	}
	for _, tt := range tests {
		u, err := url.Parse(tt.url)
		if err != nil {
			t.Fatal(err)
		}
		if got := covers(tt.prefix, u); got != tt.want {
			t.Errorf("%s covers %s: %v, want %v", tt.prefix, tt.url, got, tt.want)
		}
	}
}

func TestCheckPolicy(t *testing.T) {
	t.Parallel()
	for _, p := range []*Policy{nil, {}, {Prefixes: []string{"https://a.example"}, InternalHosts: []string{"a", "a:80", "::1", "10.0.0.1"}, MaxBody: 1}} {
		if err := p.Check(); err != nil {
			t.Errorf("%+v: %v", p, err)
		}
	}
	for _, p := range []*Policy{
		{Prefixes: []string{"a.example"}},
		{Prefixes: []string{"ftp://a.example/"}},
		{Prefixes: []string{"https://me@a.example/"}},
		{Prefixes: []string{"https://a.example/x/../y"}},
		{Prefixes: []string{"https://a.example/?x"}},
		{InternalHosts: []string{"http://a"}},
		{InternalHosts: []string{""}},
		{InternalHosts: []string{"*.example"}},
		{MaxBody: -1},
	} {
		if p.Check() == nil {
			t.Errorf("%+v passes", p)
		}
	}
}
