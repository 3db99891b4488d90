package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/s3"
	"github.com/stoker-fhir/stoker/pkg/supplier"
)

// records is a message of events about keys of the bucket "deliveries".
func records(keys ...string) string {
	var all []string
	for _, key := range keys {
		all = append(all, fmt.Sprintf(`{"eventName":"s3:ObjectCreated:Put","s3":{"bucket":{"name":"deliveries"},"object":{"key":%q}}}`, key))
	}
	return `{"Records":[` + strings.Join(all, ",") + `]}`
}

// TestBucketEvents: events are passed on to the fetchers, those of a supplier of its own prefix only.
func TestBucketEvents(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{TokensOnly: true, OperatorToken: supplier.HashOf("operator")})
	long := make([]string, 900) // JSON has six bytes for each of their bytes
	for i := range long {
		long[i] = fmt.Sprintf("a/%03d", i) + strings.Repeat("<", 900)
	}
	a := f.supplier("clinic-a", supplier.Policy{Bucket: "s3://deliveries/a/"})
	b := f.supplier("clinic-b", supplier.Policy{Bucket: "s3://deliveries/b/", RequestsPerMinute: 1})
	ctx, stop := context.WithCancel(t.Context())
	passed, listening := make(chan []byte, 10), make(chan error)
	go func() {
		listening <- f.Bus.Notices(ctx, fhirmsg.SubjectBucket, "test", func(ctx context.Context, m []byte) {
			select {
			case passed <- m:
			case <-ctx.Done():
			}
		})
	}()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for ready := false; !ready; { // what is published before somebody listens is lost
		check(t, f.Bus.Notify(fhirmsg.SubjectBucket, []byte("ready")))
		select {
		case <-passed:
			ready = true
		case <-ticker.C:
		}
	}
	tests := []struct {
		name, token, body string
		status            int
		answer            string
		keys              []string
	}{
		{"an operator's", "operator", records("a/x+y.ndjson", "b/%C3%A4", "c/x"), 202, `{"events":2,"ignored":1}`, []string{"a/x y.ndjson", "b/ä"}},
		{"a supplier's", a, records("a/1", "b/1", "a/2"), 202, `{"events":2,"ignored":1}`, []string{"a/1", "a/2"}},
		{"larger when written anew", a, records(long...), 202, `{"events":900,"ignored":0}`, long},
		{"another's", b, records("a/1"), 202, `{"events":0,"ignored":1}`, nil},
		{"too many", b, records("b/1"), http.StatusTooManyRequests, "more requests a minute", nil},
		{"a test of the store", a, `{"Service":"Amazon S3","Event":"s3:TestEvent"}`, 202, `{"events":0,"ignored":0}`, nil},
		{"no events", a, `[]`, 400, "events: not JSON of the form", nil},
		{"too large", a, strings.Repeat(" ", s3.MaxEvents+1), 413, "more than 1048576 bytes", nil},
		{"nobody's", "", records("a/1"), 401, "a token is needed", nil},
	}
	for _, tt := range tests {
		got := f.do("POST", "/buckets/events", tt.token, tt.body)
		if got.status != tt.status || !strings.Contains(got.body, tt.answer) {
			t.Errorf("%s: %d %s", tt.name, got.status, got.body)
		}
		if tt.keys == nil {
			continue
		}
		var keys []string
		for len(keys) < len(tt.keys) {
			message := <-passed
			if string(message) == "ready" {
				continue
			}
			events, other, err := s3.ParseEvents(message)
			if err != nil || other != 0 || len(events) == 0 {
				t.Fatalf("%s: passed on %d events, %d others, %v", tt.name, len(events), other, err)
			}
			for _, e := range events {
				keys = append(keys, e.Key)
			}
		}
		if diff := cmp.Diff(tt.keys, keys); diff != "" {
			t.Errorf("%s: passed on (-want +got):\n%s", tt.name, diff)
		}
	}
	stop()
	if err := <-listening; err != nil {
		t.Error(err)
	}
	for len(passed) > 0 {
		if m := <-passed; string(m) != "ready" {
			t.Errorf("passed on besides: %s", m)
		}
	}
}
