package delivery

import (
	"bytes"
	"encoding/json"

	"github.com/nats-io/nats.go"
)

// isBare reports whether a message has no header of its publisher, as an answer of JetStream has none.
func isBare(h nats.Header) bool {
	for name := range h {
		if name != nats.MsgSize { // the server's, where payloads are left out
			return false
		}
	}
	return true
}

// isAnswer reports whether the payload of a bare message is JetStream's answer to a publication, and nothing else. Whoever
// publishes says where that goes, so that one supplier's answers can come as what another one delivers.
func isAnswer(payload []byte) bool {
	var answer struct {
		Stream    string          `json:"stream"`
		Seq       *uint64         `json:"seq"`
		Domain    string          `json:"domain"`
		Duplicate bool            `json:"duplicate"`
		Val       string          `json:"val"`
		Batch     string          `json:"batch"`
		Count     uint64          `json:"count"`
		Error     json.RawMessage `json:"error"`
	}
	decoder := json.NewDecoder(bytes.NewReader(payload))
	decoder.DisallowUnknownFields()
	if decoder.Decode(&answer) != nil || decoder.InputOffset() != int64(len(payload)) {
		return false
	}
	return answer.Error != nil || answer.Stream != "" && answer.Seq != nil
}
