package s3

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const pageStart = `<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name>`

func content(key, etag, modified string, size int) string {
	return fmt.Sprintf("<Contents><Key>%s</Key><LastModified>%s</LastModified><ETag>%s</ETag><Size>%d</Size></Contents>", key, modified, etag, size)
}

func TestParseList(t *testing.T) {
	t.Parallel()
	const time1 = "2026-01-02T03:04:05.678Z"
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	tests := []struct {
		name, page string
		want       []Object
		next, err  string
	}{
		{"empty", pageStart + "</ListBucketResult>", nil, "", ""},
		{
			"plain", pageStart + content("p/a&amp;b+%20", "&quot;e-2&quot;", time1, 7) + "</ListBucketResult>",
			[]Object{{"p/a&b+%20", `"e-2"`, 7, at}}, "", "",
		},
		{
			"encoded, and it goes on", pageStart + "<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated><NextContinuationToken>t/=</NextContinuationToken>" +
				content("p/a+b%2Bc%0A%C3%A4", "e", "2026-01-02T05:04:05+02:00", 0) + "</ListBucketResult>",
			[]Object{{"p/a b+c\nä", `"e"`, 0, at}}, "t/=", "",
		},
		{"not XML", "<html>hunter2", nil, "", "no listing"},
		{"an error", "<Error><Code>hunter2</Code></Error>", nil, "", "no listing"},
		{"elsewhere", pageStart + content("hunter2", "e", time1, 1) + "</ListBucketResult>", nil, "", "object 1 of the listing is not what was asked for"},
		{"negative", pageStart + content("p/", "e", time1, -1) + "</ListBucketResult>", nil, "", "not what was asked for"},
		{"no time", pageStart + content("p/", "e", "hunter2", 1) + "</ListBucketResult>", nil, "", "time of change"},
		{"bad encoding", pageStart + "<EncodingType>url</EncodingType>" + content("p/%zz", "e", time1, 1) + "</ListBucketResult>", nil, "", "not encoded"},
		{"no token", pageStart + "<IsTruncated>true</IsTruncated></ListBucketResult>", nil, "", "does not tell where"},
		{"too many", pageStart + strings.Repeat(content("p/", "e", time1, 1), MaxKeys+1) + "</ListBucketResult>", nil, "", "more than the 1000"},
	}
	for _, tt := range tests {
		got, next, err := ParseList([]byte(tt.page), "p/")
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: got %v, want %s", tt.name, err, tt.err)
			}
			continue
		}
		if diff := cmp.Diff(tt.want, got); err != nil || diff != "" || next != tt.next {
			t.Errorf("%s: %v, next %q (-want +got):\n%s", tt.name, err, next, diff)
		}
	}
}

func TestReadError(t *testing.T) {
	t.Parallel()
	tests := []struct {
		body, hint string
		mayPass    bool
	}{
		{`<?xml version="1.0"?><Error><Code>NoSuchBucket</Code><Message>hunter2</Message></Error>`, "there is no such bucket", false},
		{`<Error><Code>AccessDenied</Code></Error>`, "s3:GetObject", false},
		{`<Error><Code>SlowDown</Code></Error>`, "", true},
		{`<Error><Code>hunter2</Code></Error>`, "", false},
		{`hunter2`, "", false},
		{``, "", false},
	}
	for _, tt := range tests {
		hint, mayPass := ReadError([]byte(tt.body))
		if !strings.Contains(hint, tt.hint) || (hint == "") != (tt.hint == "") || mayPass != tt.mayPass || strings.Contains(hint, "hunter2") {
			t.Errorf("%s: got %q, %v", tt.body, hint, mayPass)
		}
	}
}

// Messages of events as stores send them, shortened.
const (
	fromMinIO = `{"EventName":"s3:ObjectCreated:Put","Key":"deliveries/clinic%2Fa+b.ndjson","Records":[{"eventVersion":"2.0","eventSource":"minio:s3",
		"eventName":"s3:ObjectCreated:Put","s3":{"s3SchemaVersion":"1.0","bucket":{"name":"deliveries","arn":"arn:aws:s3:::deliveries"},
		"object":{"key":"clinic%2Fa+b%2Bc.ndjson","size":5,"eTag":"abc","versionId":"1","sequencer":"17"}}}]}`
	fromVersity = `{"Records":[{"eventVersion":"2.2","eventSource":"aws:s3","eventName":"s3:ObjectCreated:CompleteMultipartUpload",
		"s3":{"bucket":{"name":"deliveries"},"object":{"key":"clinic/100%.ndjson","size":0,"eTag":null,"versionId":null}}}]}`
	fromAWS = `{"Records":[{"eventName":"ObjectCreated:Copy","s3":{"bucket":{"name":"deliveries"},"object":{"key":"a%C3%A4"}}},
		{"eventName":"ObjectRemoved:Delete","s3":{"bucket":{"name":"deliveries"},"object":{"key":"b"}}},
		{"eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"x"},"object":{"key":"c"}}},
		{"eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"deliveries"},"object":{"key":"../c"}}}]}`
	fromBridge = `{"version":"0","source":"aws.s3","detail-type":"Object Created","detail":{"bucket":{"name":"deliveries"},"object":{"key":"a+b c","size":1}}}`
	testEvent  = `{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2026-01-01T00:00:00Z","Bucket":"deliveries"}`
)

func TestParseEvents(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, message string
		want          []Event
		other         int
	}{
		{"MinIO", fromMinIO, []Event{{"deliveries", "clinic/a b+c.ndjson", "clinic%2Fa+b%2Bc.ndjson"}}, 0},
		{"versitygw does not encode", fromVersity, []Event{{"deliveries", "clinic/100%.ndjson", "clinic/100%.ndjson"}}, 0},
		{"AWS", fromAWS, []Event{{"deliveries", "aä", "a%C3%A4"}}, 3},
		{"EventBridge", fromBridge, []Event{{"deliveries", "a+b c", "a%2Bb+c"}}, 0},
		{"removed", strings.Replace(fromBridge, "Created", "Deleted", 1), nil, 1},
		{"test", testEvent, nil, 0},
	}
	for _, tt := range tests {
		got, other, err := ParseEvents([]byte(tt.message))
		if diff := cmp.Diff(tt.want, got); err != nil || diff != "" || other != tt.other {
			t.Errorf("%s: %v, %d others (-want +got):\n%s", tt.name, err, other, diff)
		}
	}
	for _, message := range []string{"", "[]", "hunter2", `{"Records":{}}`, strings.Repeat(" ", MaxEvents+1)} {
		if _, _, err := ParseEvents([]byte(message)); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%.20q: got %v", message, err)
		}
	}
}

// FuzzParseEvents: what is read can be passed on, and is read as the same.
func FuzzParseEvents(f *testing.F) {
	for _, message := range []string{fromMinIO, fromVersity, fromAWS, fromBridge, testEvent} {
		f.Add([]byte(message))
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		events, _, err := ParseEvents(message)
		if err != nil || len(events) == 0 {
			return
		}
		b, err := EncodeEvents(events)
		if err != nil || !json.Valid(b) {
			t.Fatal(err)
		}
		again, other, err := ParseEvents(b)
		if diff := cmp.Diff(events, again); err != nil || other != 0 || diff != "" {
			t.Errorf("%v, %d others (-want +got):\n%s", err, other, diff)
		}
	})
}

// FuzzParseList: whatever a store sends, only what was asked for comes out.
func FuzzParseList(f *testing.F) {
	f.Add([]byte(pageStart + content("p/a", "e", "2026-01-02T03:04:05Z", 1) + "</ListBucketResult>"))
	f.Add([]byte(pageStart + "<EncodingType>url</EncodingType>" + content("p%2Fa", "e", "2026-01-02T03:04:05Z", 1) + "</ListBucketResult>"))
	f.Fuzz(func(t *testing.T, page []byte) {
		objects, _, err := ParseList(page, "p/")
		if err == nil && len(objects) > MaxKeys {
			t.Errorf("%d objects", len(objects))
		}
		for _, o := range objects {
			if !strings.HasPrefix(o.Key, "p/") || o.Size < 0 {
				t.Errorf("got %+v", o)
			}
		}
	})
}

// FuzzNames: what is taken for a name can be asked for, at its own place and no other.
func FuzzNames(f *testing.F) {
	f.Add("s3://deliveries/clinic/a b.ndjson", "[a]\nregion=x\n")
	f.Fuzz(func(t *testing.T, raw, profiles string) {
		if _, err := parseProfiles(profiles); err != nil && len(err.Error()) > 200 {
			t.Errorf("profiles: %v", err)
		}
		l, err := ParseURL(raw)
		if err != nil {
			return
		}
		a, err := Config{Endpoint: "http://store.example"}.Account("any")
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(a.URL(l.Bucket, l.Key, nil).String())
		if err != nil || u.Host != "store.example" || u.Path != "/"+l.Bucket+"/"+l.Key || u.RawQuery != "" || u.Fragment != "" {
			t.Errorf("%q is at %v, %v", raw, u, err)
		}
	})
}
