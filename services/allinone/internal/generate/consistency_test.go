package generate

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
)

// TestConsistent reads a dataset as a strict reader would: lines are objects of their file's
// type, ids are unique, relative references resolve, contained ones too.
func TestConsistent(t *testing.T) {
	t.Parallel()
	uuid := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	ids, referred := map[string]bool{}, map[string]bool{}
	err := Stream(t.Context(), Options{Patients: 53, Seed: 1}, func(typ string, line []byte) error {
		if bytes.IndexByte(line, '\n') != len(line)-1 {
			t.Fatal("not one line")
		}
		r := parse(t, line).(map[string]any)
		if r["resourceType"] != typ {
			t.Fatalf("%v among %s", r["resourceType"], typ)
		}
		key := typ + "/" + r["id"].(string)
		if !uuid.MatchString(r["id"].(string)) {
			t.Fatalf("%s has no UUID", key)
		}
		if ids[key] {
			t.Fatalf("%s twice", key)
		}
		ids[key] = true
		contained := map[string]bool{}
		list, _ := r["contained"].([]any)
		for _, c := range list {
			contained["#"+c.(map[string]any)["id"].(string)] = true
		}
		for _, ref := range references(r) {
			if !strings.HasPrefix(ref, "#") {
				referred[ref] = true
			} else if !contained[ref] {
				t.Fatalf("%s is not contained in %s", ref, key)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for ref := range referred {
		if !ids[ref] {
			t.Fatalf("%s is not in the dataset", ref)
		}
	}
}

// references are all values of members of that name.
func references(v any) []string {
	var out []string
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			if s, ok := member.(string); ok && name == "reference" {
				out = append(out, s)
			} else {
				out = append(out, references(member)...)
			}
		}
	case []any:
		for _, item := range v {
			out = append(out, references(item)...)
		}
	}
	return out
}
