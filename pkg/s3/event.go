package s3

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"
)

// MaxEvents is the greatest size of a message of events in bytes.
const MaxEvents = 1 << 20

// Event says that an object may be new.
type Event struct {
	Bucket string
	Key    string
	Raw    string // the key as it stands in the event, encoded; some stores do not encode it, so that it is the key itself
}

// notice is a message of events: S3's records, as MinIO, versitygw, Ceph and others send them, or one event of
// Amazon EventBridge, whose keys are not encoded.
type notice struct {
	Records []record `json:"Records,omitempty"`

	DetailType string `json:"detail-type,omitempty"`
	Detail     place  `json:"detail,omitzero"`
}

type record struct {
	EventName string `json:"eventName"`
	S3        place  `json:"s3"`
}

type place struct {
	Bucket struct {
		Name string `json:"name"`
	} `json:"bucket"`
	Object struct {
		Key string `json:"key"`
	} `json:"object"`
}

// ParseEvents reads a message of events. What is no message of events is an error; events of something else than an
// object that is there now, such as a removal, or a store's test, are counted as other.
func ParseEvents(message []byte) (events []Event, other int, err error) {
	if len(message) > MaxEvents {
		return nil, 0, errors.New("events: larger than 1 MiB")
	}
	var n notice
	if err := json.Unmarshal(message, &n); err != nil {
		return nil, 0, errors.New("events: not JSON of the form that S3 sends: {\"Records\":[{\"eventName\":…,\"s3\":…}]}")
	}
	take := func(e Event) {
		if checkBucket(e.Bucket) != nil || e.Key == "" || CheckKey(e.Key) != nil {
			other++
			return
		}
		events = append(events, e)
	}
	for _, r := range n.Records {
		name := strings.TrimPrefix(r.EventName, "s3:")
		if !strings.HasPrefix(name, "ObjectCreated:") && name != "ObjectRestore:Completed" {
			other++
			continue
		}
		e := Event{r.S3.Bucket.Name, r.S3.Object.Key, r.S3.Object.Key}
		if decoded, err := url.QueryUnescape(e.Raw); err == nil {
			e.Key = decoded
		}
		take(e)
	}
	switch n.DetailType {
	case "":
	case "Object Created", "Object Restore Completed":
		take(Event{n.Detail.Bucket.Name, n.Detail.Object.Key, url.QueryEscape(n.Detail.Object.Key)})
	default:
		other++
	}
	return events, other, nil
}

// EncodeEvents is a message of events, in S3's form.
func EncodeEvents(events []Event) ([]byte, error) {
	n := notice{Records: make([]record, len(events))}
	for i, e := range events {
		n.Records[i].EventName = "ObjectCreated:Put"
		n.Records[i].S3.Bucket.Name, n.Records[i].S3.Object.Key = e.Bucket, e.Raw
	}
	return json.Marshal(n)
}

// Candidates are the keys that an event may mean, the likeliest first.
func (e Event) Candidates() []string {
	if e.Raw == e.Key || CheckKey(e.Raw) != nil {
		return []string{e.Key}
	}
	return []string{e.Key, e.Raw}
}
