package convert

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/services/parser/internal/key"
)

func scopedChunk(body string) fhirmsg.Chunk {
	c := newChunk(body)
	c.Import.Keys, c.Import.Base = fhirmsg.KeysScoped, "https://a.example/fhir"
	return c
}

// TestScoped: resources, deletions and entries without an id of their own have the keys that references to them
// have, and their original ids beside.
func TestScoped(t *testing.T) {
	t.Parallel()
	id := func(typ, original string) string {
		return string(key.NewMaker("clinic-a").Scoped([]byte(typ), []byte(original)))
	}
	made := string(key.NewMaker("clinic-a").FromURL([]byte("urn:uuid:c757873d-ec9a-4326-a141-556f43239520")))
	bundle := func(typ string, entries ...string) string {
		return `{"resourceType":"Bundle","type":"` + typ + `","entry":[` + strings.Join(entries, ",") + `]}`
	}
	observation := func(subject string) string {
		return `{"resource":{"resourceType":"Observation","id":"o","subject":{"reference":"` + subject + `"}}}`
	}
	tests := []struct {
		name, body string
		want       []string // Type/original id: body, with <Type/id> for ids
	}{
		{"lines", `{"resourceType":"Patient","id":"1"}` + "\n" + `{"resourceType":"Observation","id":"o","subject":{"reference":"Patient/1"}}`, []string{
			`Patient/1: {"resourceType":"Patient","id":"<Patient/1>"}`,
			`Observation/o: {"resourceType":"Observation","id":"<Observation/o>","subject":{"reference":"Patient/<Patient/1>"}}`,
		}},
		{"transaction", bundle("transaction",
			`{"fullUrl":"urn:uuid:c757873d-ec9a-4326-a141-556f43239520","resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient"}}`,
			`{"resource":{"resourceType":"Observation","id":"o","subject":{"reference":"urn:uuid:c757873d-ec9a-4326-a141-556f43239520"}},"request":{"method":"PUT","url":"Observation/o"}}`,
			`{"request":{"method":"DELETE","url":"Patient/1"}}`), []string{
			`Patient/` + made + `: {"resourceType":"Patient"}`,
			`Patient/1: deleted`,
			`Observation/o: {"resourceType":"Observation","id":"<Observation/o>","subject":{"reference":"Patient/<Patient/` + made + `>"}}`,
		}},
		{"fullUrl on its own server", bundle("collection",
			`{"fullUrl":"https://a.example/fhir/Patient/1","resource":{"resourceType":"Patient"}}`,
			observation("https://a.example/fhir/Patient/1"), observation("Patient/1")), []string{
			`Patient/1: {"resourceType":"Patient"}`,
			`Observation/o: {"resourceType":"Observation","id":"<Observation/o>","subject":{"reference":"https://a.example/fhir/Patient/<Patient/1>"}}`,
			`Observation/o: {"resourceType":"Observation","id":"<Observation/o>","subject":{"reference":"Patient/<Patient/1>"}}`,
		}},
		{"history", bundle("history", `{"fullUrl":"https://a.example/fhir/Patient/1","request":{"method":"DELETE","url":"Patient/1/_history/2"}}`), []string{`Patient/1: deleted`}},
	}
	for _, tt := range tests {
		p := New(Options{})
		var got []string
		for _, b := range mustConvert(t, p, scopedChunk(tt.body)).Batches {
			for r := range b.Records() {
				what := "deleted"
				if !r.Deleted {
					what = string(r.Body)
				}
				if string(r.ID) != id(b.Type, string(r.OriginalID)) || !r.Deleted && r.Hash != fhirmsg.HashOf(r.Body) {
					t.Errorf("%s: record %s/%s, called %s", tt.name, b.Type, r.ID, r.OriginalID)
				}
				got = append(got, fmt.Sprintf("%s/%s: %s", b.Type, r.OriginalID, what))
			}
		}
		for i := range tt.want {
			for {
				before, rest, ok := strings.Cut(tt.want[i], "<")
				if !ok {
					break
				}
				mention, after, _ := strings.Cut(rest, ">")
				typ, original, _ := strings.Cut(mention, "/")
				tt.want[i] = before + id(typ, original) + after
			}
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// TestScopedIsTheSame: but for keys and references, nothing depends on the key policy; reports have the
// ids that the supplier knows, and what is put through again after a rejection has the key that it would have had.
func TestScopedIsTheSame(t *testing.T) {
	t.Parallel()
	body := strings.Join([]string{
		`{"resourceType":"Patient","id":"a_1","gender":"x"}`, `{"resourceType":"Patient","id":"1","link":7}`, `x`, "",
		`{"resourceType":"Bundle","type":"transaction","entry":[{"fullUrl":"urn:uuid:c757873d-ec9a-4326-a141-556f43239520","resource":{"resourceType":"Patient","id":"p"}},` +
			`{"resource":{"resourceType":"Observation","id":"o","subject":{"reference":"urn:uuid:c757873d-ec9a-4326-a141-556f43239520"}}}]}`,
	}, "\n")
	p := New(Options{})
	convert := func(c fhirmsg.Chunk) (s fhirmsg.Statement, rejects []fhirmsg.Reject) {
		c.Import.Validation, c.Import.Definitions = fhirmsg.ValidationStrict, definitions(t)
		out := mustConvert(t, p, c)
		for _, r := range out.Rejects {
			rejects = append(rejects, slices.Clone(r.Items)...)
		}
		s = out.Statement
		s.Import, s.Fingerprint = fhirmsg.Import{}, fhirmsg.Hash{}
		b, err := json.Marshal(rejects)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, &rejects); err != nil { // a copy: the bytes are the parser's
			t.Fatal(err)
		}
		return s, rejects
	}
	keptStatement, kept := convert(newChunk(body))
	statement, scoped := convert(scopedChunk(body))
	if diff := cmp.Diff(keptStatement, statement); diff != "" {
		t.Errorf("statement (-keep +scoped):\n%s", diff)
	}
	if diff := cmp.Diff(kept, scoped); diff != "" || len(kept) == 0 {
		t.Errorf("rejects (-keep +scoped):\n%s", diff)
	}
	for _, r := range scoped {
		if !bytes.Contains(r.Resource, []byte(`"Patient/p"`)) {
			continue
		}
		entry := scopedChunk(`{"resourceType":"Bundle","type":"batch","entry":[{"resource":` + string(r.Resource) + `}]}`)
		entry.Entry = r.Entry
		for record := range mustConvert(t, p, entry).Batches[0].Records() {
			m := key.NewMaker("clinic-a")
			if string(record.ID) != string(m.Scoped([]byte("Observation"), []byte("o"))) || !bytes.Contains(record.Body, m.Scoped([]byte("Patient"), []byte("p"))) {
				t.Errorf("put through again: %s: %s", record.ID, record.Body)
			}
		}
		return
	}
	t.Error("no entry was rejected that can be put through again")
}

// TestUnknownKeys: a key policy of a later version is not taken for keep.
func TestUnknownKeys(t *testing.T) {
	t.Parallel()
	c := newChunk(`{"resourceType":"Patient","id":"1"}`)
	c.Import.Keys = "hashed"
	if _, err := New(Options{}).Convert(c); !errors.Is(err, ErrUnsupported) {
		t.Errorf("got %v, want %v", err, ErrUnsupported)
	}
}
