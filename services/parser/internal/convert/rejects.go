package convert

import (
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// rejectOverhead is about what a reject needs in JSON besides its line: names, numbers and
// the text of an issue.
const rejectOverhead = 512

// maxRaw is the greatest number of bytes of a line that go into a reject: in JSON, in base64,
// they must fit a message's body. Of a longer line it has the beginning.
const maxRaw = (fhirmsg.MaxBody - 64<<10) / 4 * 3

// rejects collects what was rejected of one chunk.
type rejects struct {
	limit  int // of a group in bytes of JSON, unless one reject is larger
	header fhirmsg.RejectsHeader
	groups []fhirmsg.Rejects
	items  []fhirmsg.Reject
	size   int // of items
}

func (r *rejects) begin(c fhirmsg.ChunkHeader) {
	r.header = fhirmsg.RejectsHeader{Import: c.Import, Place: c.Place}
	r.groups, r.items, r.size = nil, nil, 0
}

func (r *rejects) add(item fhirmsg.Reject) {
	if len(item.Raw) > maxRaw {
		item.Raw, item.Cut = item.Raw[:maxRaw], true
	}
	if len(item.Raw)+len(item.Resource) > maxRaw {
		item.Resource = nil
	}
	size := base64.StdEncoding.EncodedLen(len(item.Raw)+len(item.Resource)) + len(item.ID) + rejectOverhead*max(len(item.Issues), 1)
	if len(r.items) > 0 && r.size+size > r.limit {
		r.cut()
	}
	r.items = append(r.items, item)
	r.size += size
}

func (r *rejects) cut() {
	group := fhirmsg.Rejects{RejectsHeader: r.header, Items: r.items}
	group.Part = len(r.groups)
	r.groups = append(r.groups, group)
	r.items, r.size = nil, 0
}

// finish returns all rejects, with their fingerprints.
func (r *rejects) finish() ([]fhirmsg.Rejects, error) {
	if len(r.items) > 0 {
		r.cut()
	}
	for i := range r.groups {
		body, err := json.Marshal(r.groups[i].Items) // as Rejects.Encode does
		if err != nil {
			return nil, fmt.Errorf("encode rejects: %w", err)
		}
		r.groups[i].Fingerprint = fhirmsg.HashOf(body)
	}
	return r.groups, nil
}
