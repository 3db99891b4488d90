package convert

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// FuzzConvert: no input panics or breaks the equations; what is taken is valid for
// encoding/json and has a key; the same chunk gives the same messages again.
func FuzzConvert(f *testing.F) {
	for _, seed := range []string{
		"{\"resourceType\":\"Patient\",\"id\":\"p1\"}\r\n\n",
		"\ufeff{\"resourceType\":\"Parameters\",\"parameter\":[{\"name\":\"header\"}]}\nx",
		`{"resourceType":"Bundle","type":"transaction","entry":[{"fullUrl":"urn:uuid:1","resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient"}},{"resource":{"resourceType":"Observation","subject":{"reference":"urn:uuid:1"}},"request":{"method":"PUT","url":"Observation/o"}},{"request":{"method":"DELETE","url":"Patient/2"}}]}`,
		`{"resourceType":"Bundle","type":"history","entry":[{"fullUrl":"http://x/Patient/1","response":{"status":"204","lastModified":"2020-01-01T00:00:00Z"}}]}`,
		`{"resourceType":"Bundle","type":"history","entry":[{"resource":{"resourceType":"Patient","id":"1","meta":{"lastUpdated":"2020-01-01T00:00:00Z"}},"response":{"etag":"W/\"1\""}},{"request":{"method":"DELETE","url":"Patient/1"},"response":{"etag":"W/\"2\""}}]}`,
		`{"resourceType":"Patient","id":"ü","meta":{"lastUpdated":"2020-01-01T00:00:00.5+01:00"}}`,
	} {
		f.Add([]byte(seed), false, false, int64(0))
		f.Add([]byte(seed), true, false, int64(7))
		f.Add([]byte(seed), false, true, int64(0))
	}
	used := New(Options{MaxBatchBytes: 200})
	f.Fuzz(func(t *testing.T, body []byte, document, tooLong bool, offset int64) {
		c := newChunk(string(body))
		c.Document, c.TooLong, c.Offset = document, tooLong, offset
		if document || tooLong {
			c.Lines = 1
		}
		out := mustConvert(t, used, c)
		for _, b := range out.Batches {
			for r := range b.Records() {
				if !r.Deleted && !json.Valid(r.Body) {
					t.Fatalf("%q: body %q", body, r.Body)
				}
				if r.Entry == 0 && !r.Deleted {
					checkRecord(t, b.Type, r)
				}
			}
		}
		first := encodeAll(t, out)
		if second := encodeAll(t, mustConvert(t, New(Options{MaxBatchBytes: 200}), c)); !bytes.Equal(first, second) {
			t.Fatalf("%q: other messages the second time", body)
		}
	})
}

// checkRecord compares a plain line's key with what encoding/json finds in it.
func checkRecord(t *testing.T, resourceType string, r fhirmsg.Record) {
	t.Helper()
	var values map[string]any // a struct's fields would match names of any case
	if err := json.Unmarshal(r.Body, &values); err != nil || values["resourceType"] != resourceType || values["id"] != string(r.ID) {
		t.Fatalf("%q: key %s/%s, %v", r.Body, resourceType, r.ID, err)
	}
}
