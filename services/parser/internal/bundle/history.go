package bundle

import (
	"bytes"
	"strconv"

	"github.com/stoker-fhir/stoker/services/parser/internal/lex"
	"github.com/stoker-fhir/stoker/services/parser/internal/primitive"
)

// history is what the entries of a history Bundle say of their order (https://hl7.org/fhir/R4/http.html#history).
//
// They are newest first, by FHIR's rule; where their dates or else their numbers of version say otherwise, those count. One
// without a date has that of the version before it in time, or, where there is none, of the one behind: so a
// deletion of which a server does not tell the time is later than what it deleted, and earlier than what came back.
type history struct {
	dates       []lex.Value // of the entries, in their order; absent where none is known
	oldestFirst bool
}

// dating is when an entry's version came to be, as the entry says.
type dating struct {
	value  lex.Value // absent: not said
	micros int64
}

// readHistory reads what is to be known before the first entry is decided on.
func (u *Unroller) readHistory() {
	u.history = history{dates: u.history.dates[:0]}
	var first, last dating
	undated := false
	for v := range lex.Elements(u.Text, u.Document.Entry) {
		d := u.dateOf(v)
		u.history.dates = append(u.history.dates, d.value)
		switch {
		case d.value.Kind == lex.Absent:
			undated = true
		case first.value.Kind == lex.Absent:
			first, last = d, d
		default:
			last = d
		}
	}
	if u.history.oldestFirst = first.micros < last.micros; first.micros == last.micros {
		u.history.oldestFirst = u.ascends()
	}
	if !undated {
		return
	}
	// From the oldest to the newest, and then back for those that are older than all dates.
	n := len(u.history.dates)
	at := func(i int) *lex.Value {
		if u.history.oldestFirst {
			return &u.history.dates[i]
		}
		return &u.history.dates[n-1-i]
	}
	for i := 1; i < n; i++ {
		if at(i).Kind == lex.Absent {
			*at(i) = *at(i - 1)
		}
	}
	for i := n - 2; i >= 0; i-- {
		if at(i).Kind == lex.Absent {
			*at(i) = *at(i + 1)
		}
	}
}

// dateOf is that of an entry: of its resource, or else of its response. What is no instant counts as none.
func (u *Unroller) dateOf(entry lex.Value) dating {
	if entry.Kind != lex.Object {
		return dating{}
	}
	p := readParts(u.Text, entry)
	for _, v := range []lex.Value{member(u.Text, member(u.Text, p.resource, "meta"), "lastUpdated"), p.lastModified} {
		if v.Kind != lex.String || string(p.method.Text) == "DELETE" && v.Start != p.lastModified.Start {
			continue // what a deletion has besides is the version before it
		}
		if micros, ok := primitive.Micros(v.Text); ok {
			return dating{v, micros}
		}
	}
	return dating{}
}

// ascends reports whether the entries' numbers of version say that the oldest is first: the first resource of which there are
// two versions decides.
func (u *Unroller) ascends() bool {
	seen := map[string]int64{}
	for v := range lex.Elements(u.Text, u.Document.Entry) {
		if v.Kind != lex.Object {
			continue
		}
		p := readParts(u.Text, v)
		id, number, ok := u.versionOf(&p)
		if !ok {
			continue
		}
		if before, twice := seen[id]; twice && before != number {
			return before < number
		}
		if seen[id] = number; len(seen) > maxTargets {
			return false
		}
	}
	return false
}

// versionOf is which resource an entry is of, and the number of its version, by its ETag (https://hl7.org/fhir/R4/http.html#versioning)
// or its resource.
func (u *Unroller) versionOf(p *parts) (id string, number int64, ok bool) {
	version := bytes.Trim(bytes.TrimPrefix(p.etag.Text, []byte("W/")), `"`)
	if len(version) == 0 {
		version = member(u.Text, member(u.Text, p.resource, "meta"), "versionId").Text
	}
	number, err := strconv.ParseInt(string(version), 10, 64)
	if err != nil {
		return "", 0, false
	}
	for _, v := range []lex.Value{p.url, p.location, p.fullURL} {
		if t, ok := parseTarget(u.FHIRVersion, v.Text); ok && t.id != "" && t.action == "" {
			return t.resourceType + "/" + t.id, number, true
		}
	}
	return "", 0, false
}

// member is a member of an object; absent where there is none.
func member(doc []byte, object lex.Value, name string) (found lex.Value) {
	if object.Kind != lex.Object {
		return found
	}
	for n, v := range lex.Members(doc, object) {
		if string(n) == name {
			found = v
		}
	}
	return found
}
