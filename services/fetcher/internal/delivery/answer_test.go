package delivery

import (
	"encoding/json"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// TestAnswersOfOthers: JetStream's answers to a, which a has sent to where b delivers, are nothing that b delivered.
func TestAnswersOfOthers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	cfg := quick
	cfg.ImportTime, cfg.ImportBytes = quick.Idle, 1000
	conn := f.js.Conn()
	f.publish("b", "first")
	answers := func() {
		t.Helper()
		for _, header := range []nats.Header{{nats.MsgIdHdr: {"same"}}, {nats.MsgIdHdr: {"same"}}, {jetstream.ExpectedStreamHeader: {"y"}}, {jetstream.ExpectedLastMsgIDHeader: {"y"}}} {
			check(t, conn.PublishMsg(&nats.Msg{Subject: fhirmsg.DeliverSubject("a"), Reply: fhirmsg.DeliverSubject("b"), Data: []byte("x"), Header: header}))
		}
		f.publish("a", "y") // answered after those before
	}
	answers()
	f.until("four answers", func() bool {
		n, err := f.bus.Subjects(t.Context(), fhirmsg.StreamDeliver, fhirmsg.DeliverSubject("b"))
		return err == nil && n[fhirmsg.DeliverSubject("b")] == 5
	})
	own := `{"stream":"b","seq":1}` + "\n" // with a header it is somebody's
	f.publish("b", own, "Content-Encoding", "identity")
	f.publish("b", `{"resourceType":"Patient","id":""}`)
	f.publish("b", "", fhirmsg.HeaderEnd, "1")
	f.gather(cfg, f.request)
	f.until("an import of b", func() bool { return len(f.requests()) > 0 })
	if got, want := f.contents()[0], "b : first\n"+own+`{"resourceType":"Patient","id":""}`+"\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// FuzzIsAnswer: nothing that could be a resource is an answer.
func FuzzIsAnswer(f *testing.F) {
	f.Add([]byte(`{"stream":"DELIVER","seq":1}`))
	f.Add([]byte(`{"error":{"code":400},"stream":"DELIVER","seq":0}`))
	f.Add([]byte(`{"resourceType":"Patient","stream":"DELIVER","seq":1}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		if !isAnswer(payload) {
			return
		}
		var resource map[string]json.RawMessage
		if err := json.Unmarshal(payload, &resource); err != nil {
			t.Fatal(err)
		}
		if _, ok := resource["resourceType"]; ok {
			t.Error("it is a resource")
		}
	})
}

// TestIsAnswer: of what is no answer.
func TestIsAnswer(t *testing.T) {
	t.Parallel()
	for payload, want := range map[string]bool{
		`{"stream":"DELIVER", "seq":1,"duplicate": true}`: true, `{"stream":"DELIVER", "domain":"hub", "seq":1}`: true,
		`{"error":{"code":400,"description":"x"},"seq":0}`: true,
		"": false, "{}": false, "null": false, `{"stream":"x"}`: false, `{"seq":1}`: false, `{"stream":"x","seq":1,"id":"y"}`: false,
		"{\"stream\":\"x\",\"seq\":1}\n{\"resourceType\":\"Patient\"}": false,
	} {
		if got := isAnswer([]byte(payload)); got != want {
			t.Errorf("%s: %v", payload, got)
		}
	}
}
