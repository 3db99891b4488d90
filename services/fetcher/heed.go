package fetcher

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/export"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/manifest"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/source"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/split"
)

// Limits of what is looked at of a chunk of resources. A server that does not heed what it was asked for does not heed it
// throughout, so a part tells.
const (
	heedLines = 20
	heedBytes = 64 << 10 // of these lines together
)

const notSince = "the server sent resources that were last updated before _since, as if it did not heed that; of a group, that may be what new members have"

// heed notices, in a file of an export, what was not asked for, and what the server reports of its work. It is for one file,
// and the notes have no figures, so that they are the same however often a file is read.
type heed struct {
	asked   *source.Asked // nil: nothing is noticed
	outcome bool
	deleted bool
	notes   []string
}

func newHeed(file ledger.File, asked *source.Asked) *heed {
	return &heed{asked: asked, outcome: file.Kind == ledger.KindOutcome, deleted: file.Kind == string(manifest.Deleted)}
}

// look looks at a part of a chunk.
func (h *heed) look(piece split.Piece) {
	if h.asked != nil && h.outcome && piece.Document {
		h.line(piece.Body) // a report over several lines
		return
	}
	if h.asked == nil || h.deleted || piece.TooLong || piece.Document || !h.outcome && len(h.asked.Types) == 0 && h.asked.Since == 0 {
		return
	}
	rest, left := piece.Body, heedBytes
	for n := 0; n < heedLines || h.outcome; n++ { // of a report any line may tell of what is missing
		var line []byte
		line, rest, _ = bytes.Cut(rest, []byte{'\n'})
		if left -= len(line); left < 0 && !h.outcome {
			return
		}
		if line = bytes.TrimSpace(line); len(line) > 0 {
			h.line(line)
		}
		if len(rest) == 0 {
			return
		}
	}
}

func (h *heed) line(line []byte) {
	if h.outcome {
		for _, c := range export.Codes(line) {
			h.note(ledger.NoteOutcome + c)
		}
		return
	}
	var r struct {
		ResourceType string `json:"resourceType"`
		Meta         struct {
			LastUpdated time.Time `json:"lastUpdated"`
		} `json:"meta"`
	}
	if err := json.Unmarshal(line, &r); err != nil && r.ResourceType == "" {
		return // the parser says what is wrong
	}
	if resourceType := r.ResourceType; manifest.TypeName(resourceType) != "" {
		h.note(source.NotAsked(h.asked.Types, resourceType))
	}
	if t := r.Meta.LastUpdated; h.asked.Since != 0 && !t.IsZero() && t.Before(time.UnixMicro(h.asked.Since)) {
		h.note(notSince)
	}
}

// maxHeedNotes is how many notes a file may have, and how many on what failed: types and codes are the server's to name.
const maxHeedNotes = 20

func (h *heed) note(text string) {
	severity := failureOf(text)
	n := 0
	for _, known := range h.notes {
		if (failureOf(known) == "") == (severity == "") {
			n++
		}
	}
	if n >= maxHeedNotes { // that something failed is not to be crowded out: it keeps a run from being complete
		text = severity
	}
	if text != "" && !slices.Contains(h.notes, text) {
		h.notes = append(h.notes, text)
	}
}

// failureOf is the note on a failure that the server reports, without what the failure is; "" where a note is on something else.
func failureOf(note string) string {
	for _, severity := range []string{ledger.NoteOutcome + "error", ledger.NoteOutcome + "fatal"} {
		if note == severity || strings.HasPrefix(note, severity+" ") {
			return severity
		}
	}
	return ""
}
