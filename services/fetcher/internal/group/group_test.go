package group

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var now = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

func TestPatients(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, content string
		want          []string // nil: an error
	}{
		{"none", `{"resourceType":"Group"}`, []string{}},
		{"in order and once", `{"resourceType":"Group","member":[{"entity":{"reference":"Patient/b"}},{"entity":{"reference":"https://a.example/fhir/Patient/a/_history/3"}},{"entity":{"reference":"Patient/b"}}]}`, []string{"a", "b"}},
		{"of another server", `{"resourceType":"Group","member":[{"entity":{"reference":"https://b.example/fhir/Patient/a"}},{"entity":{"reference":"https://a.example/fhir/x/Patient/b"}}]}`, []string{}},
		{"who is to come", `{"resourceType":"Group","member":[{"entity":{"reference":"Patient/1"},"period":{"start":"2026-04-01T00:00:00Z"}},{"entity":{"reference":"Patient/2"},"period":{"start":"2026-03-01"}},
			{"entity":{"reference":"Patient/3"},"period":{"start":"2026-04"}},{"entity":{"reference":"Patient/4"},"period":{"start":"2026"}},{"entity":{"reference":"Patient/5"},"period":{"start":"2026-02-28"}},
			{"entity":{"reference":"Patient/6"},"period":{"start":"2026-03-01T00:00:00+01:00"}},{"entity":{"reference":"Patient/7"},"period":{"start":"soon"}}]}`, []string{"4", "5", "6", "7"}},
		{"no patients", `{"resourceType":"Group","member":[{"entity":{"reference":"Group/1"}},{"entity":{"reference":"urn:uuid:1"}},{"entity":{"display":"x"}},{"entity":{"reference":"Patient/"}},{"entity":{"reference":"Patient/a b"}},{"entity":{"reference":"#p"}}]}`, []string{}},
		{"who left", `{"resourceType":"Group","member":[{"entity":{"reference":"Patient/1"},"inactive":true},{"entity":{"reference":"Patient/2"},"period":{"end":"2026-02-01T00:00:00Z"}},
			{"entity":{"reference":"Patient/3"},"period":{"end":"2026-04-01T00:00:00Z"}},{"entity":{"reference":"Patient/4"},"period":{"end":"2026"}},{"entity":{"reference":"Patient/5"},"period":{"end":"2025"}},
			{"entity":{"reference":"Patient/6"},"period":{"end":"2026-02-28"}},{"entity":{"reference":"Patient/7"},"period":{"end":"2026-02-27"}},{"entity":{"reference":"Patient/8"},"period":{"end":"2026-01"}},
			{"entity":{"reference":"Patient/9"},"period":{"end":"then"}}]}`, []string{"3", "4", "6", "9"}},
		{"another resource", `{"resourceType":"List"}`, nil},
		{"XML", `<Group/>`, nil},
		{"member is no list", `{"resourceType":"Group","member":{}}`, nil},
	} {
		got, err := Patients([]byte(tt.content), "https://a.example/fhir", now)
		if (err != nil) != (tt.want == nil) || err == nil && !cmp.Equal(got, tt.want) {
			t.Errorf("%s: %v, %v; want %v", tt.name, got, err, tt.want)
		}
	}
}

func TestJoined(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ before, now, want []string }{
		{nil, nil, nil}, {nil, []string{"a"}, []string{"a"}}, {[]string{"a", "c"}, []string{"a", "b", "c", "d"}, []string{"b", "d"}}, {[]string{"a", "b"}, []string{"b"}, nil},
	} {
		if got := Joined(tt.before, tt.now); !cmp.Equal(got, tt.want) {
			t.Errorf("before %v, now %v: %v, want %v", tt.before, tt.now, got, tt.want)
		}
	}
}

func FuzzPatients(f *testing.F) {
	f.Add([]byte(`{"resourceType":"Group","member":[{"inactive":false,"entity":{"reference":"Patient/1"},"period":{"end":"2026-02-01T00:00:00Z"}}]}`))
	f.Add([]byte(`{"resourceType":"Group","member":[{"entity":{"reference":"x/Patient/1/_history/1"}},null]}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		ids, err := Patients(content, "https://a.example/fhir", now)
		if err != nil {
			return
		}
		if !slices.IsSorted(ids) {
			t.Errorf("%q is not in order", ids)
		}
		for _, id := range ids {
			if !idPattern.MatchString(id) {
				t.Errorf("%q is taken for an id", id)
			}
		}
	})
}
