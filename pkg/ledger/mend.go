package ledger

import (
	"bytes"
	"encoding/json"
	"net/url"
)

// Text is what to mend and import again: the line as it came, or, for an entry of a Bundle,
// a Bundle that holds just this entry.
func (r RejectRow) Text() []byte {
	line := r.Raw
	if r.Entry != 0 {
		line = r.entryText()
	} else if bytes.IndexByte(line, '\n') < 0 || !json.Valid(line) {
		return line
	}
	return bytes.ReplaceAll(line, []byte("\n"), []byte(" ")) // between tokens, as it is JSON
}

// entryText is a Bundle of one entry. Where the entry's key was settled already, it is an update
// under that key, of the resource with references to other entries of its Bundle rewritten:
// these are not there to be found any more.
func (r RejectRow) entryText() []byte {
	var entry struct {
		ResourceType string `json:"resourceType"`
		Response     struct {
			LastModified string `json:"lastModified"`
		} `json:"response"`
	}
	_ = json.Unmarshal(r.Raw, &entry) // an entry may be anything; nothing of it is then known
	resource := r.Resource
	if resource == nil && entry.ResourceType != "" {
		resource = r.Raw // a writer had only the resource
	}
	if resource == nil || r.Type == "" || r.ID == "" {
		return append(append([]byte(`{"resourceType":"Bundle","type":"batch","entry":[`), r.Raw...), `]}`...)
	}
	bundleType, response := "batch", ""
	if m := entry.Response.LastModified; m != "" { // the next best after meta.lastUpdated
		bundleType, response = "history", `,"response":{"status":"200","lastModified":`+quoted(m)+`}`
	}
	line := append([]byte(`{"resourceType":"Bundle","type":"`+bundleType+`","entry":[{"resource":`), resource...)
	return append(line, `,"request":{"method":"PUT","url":`+quoted(r.Type+"/"+escapedID(r.ID))+`}`+response+`}]}`...)
}

// escapedID is an id as a segment of a URL, where it cannot be taken for an action: _search and
// $operation are ids too, if not of FHIR's own pattern.
func escapedID(id string) string {
	switch escaped := url.PathEscape(id); id[0] {
	case '_':
		return "%5F" + escaped[1:]
	case '$':
		return "%24" + escaped[1:]
	default:
		return escaped
	}
}

// quoted is s as a JSON string.
func quoted(s string) string {
	b, _ := json.Marshal(s) // a string can always be written
	return string(b)
}
