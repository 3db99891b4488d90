package store

import (
	"fmt"
	"time"

	"pgregory.net/rapid"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// Few keys, contents and dates, so that collisions abound.
var (
	types    = []string{"Patient", "Observation"}
	ids      = []string{"a", "b", "c"}
	contents = []string{"1", "2"}
	byHand   = []string{"8", "9"}
)

// refusedByPG is content that only PostgreSQL refuses: jsonb has no such character.
const refusedByPG = `"\u0000"`

// line is one of a file: blank, a resource, or a Bundle.
type line struct {
	resources []drawn
	bundle    int32 // 0 is none, 1 a batch, -1 a history, whose entries count backwards
}

// drawn is a resource, or a deletion.
type drawn struct {
	key       key
	content   string // "" is a deletion
	subsetted bool
	date      string // of meta.lastUpdated
	newPart   bool   // begins another message
}

// GoString shortens what a failure prints.
func (d drawn) GoString() string {
	s := fmt.Sprintf("%v=%s", d.key, d.content)
	if d.subsetted {
		s += " subsetted"
	}
	if d.newPart {
		s += " in a new part"
	}
	return s + ", date " + d.date
}

// The dates of resources. Those in the future are clamped to when the import was accepted.
const (
	noDate = "none"
	early  = "early"
	late   = "late"
	future = "future"
)

// updated is meta.lastUpdated, in microseconds since 1970.
func (d drawn) updated(issued int64) *int64 {
	var at int64
	switch d.date {
	case early:
		at = 100
	case late:
		at = 200
	case future:
		at = issued + time.Hour.Microseconds()
	default:
		return nil
	}
	return &at
}

// entry is what the model keeps of it.
func (d drawn) entry(v fhirmsg.Version) entry {
	return entry{version: v, content: d.content, subsetted: d.subsetted, visible: d.content}
}

var keys = rapid.Custom(func(t *rapid.T) key {
	return key{typ: rapid.SampledFrom(types).Draw(t, "type"), id: rapid.SampledFrom(ids).Draw(t, "id")}
})

func drawResource(t *rapid.T, deletions bool) drawn {
	d := drawn{
		key: keys.Draw(t, "key"), content: rapid.SampledFrom(contents).Draw(t, "content"),
		date: rapid.SampledFrom([]string{noDate, early, late, future}).Draw(t, "date"),
	}
	switch rapid.IntRange(0, 19).Draw(t, "special") { // the simplest, 0, is nothing special
	case 1, 2, 3:
		if deletions {
			d.content = ""
		}
	case 4, 5, 6:
		d.subsetted = true
	case 7:
		d.content = refusedByPG
	case 8, 9, 10:
		d.newPart = true
	}
	return d
}

// drawFile draws the chunks of a file. Deletions, where there are any, have their type to themselves,
// and with them there is no race; so many files are to be without.
func drawFile(t *rapid.T) [][]line {
	line := lines(rapid.IntRange(0, 2).Draw(t, "deletions") == 2)
	return rapid.SliceOfN(rapid.SliceOfN(line, 1, 4), 1, 3).Draw(t, "chunks")
}

// drawFileOnce draws the chunks of a file that has each key once.
func drawFileOnce(t *rapid.T) [][]line {
	var all []key
	for _, typ := range types {
		for _, id := range ids {
			all = append(all, key{typ, id})
		}
	}
	chunks := make([][]line, rapid.IntRange(1, 3).Draw(t, "chunks"))
	for _, k := range rapid.Permutation(all).Draw(t, "keys")[:rapid.IntRange(1, len(all)).Draw(t, "count")] {
		r := drawResource(t, true)
		r.key = k
		n := rapid.IntRange(0, len(chunks)-1).Draw(t, "chunk")
		chunks[n] = append(chunks[n], line{resources: []drawn{r}})
	}
	return chunks
}

// lines are those of a file, with deletions or without.
func lines(deletions bool) *rapid.Generator[line] {
	resources := rapid.Custom(func(t *rapid.T) drawn { return drawResource(t, deletions) })
	return rapid.Custom(func(t *rapid.T) line {
		kind := rapid.IntRange(0, 9).Draw(t, "line")
		switch kind {
		case 7:
			return line{}
		case 8, 9:
			return line{resources: rapid.SliceOfN(resources, 1, 3).Draw(t, "entries"), bundle: int32(2*kind - 17)}
		default:
			return line{resources: []drawn{resources.Draw(t, "resource")}}
		}
	})
}
