package bundle

import (
	"bytes"

	"github.com/stoker-fhir/stoker/services/parser/internal/lex"
)

// parts are the members of an entry that matter here.
type parts struct {
	fullURL  lex.Value
	resource lex.Value
	search   lex.Value
	mode     lex.Value // search.mode

	request     lex.Value
	method      lex.Value
	url         lex.Value
	ifNoneExist lex.Value

	response     lex.Value
	status       lex.Value
	location     lex.Value
	lastModified lex.Value
	etag         lex.Value
}

func readParts(doc []byte, entry lex.Value) parts {
	var p parts
	for name, v := range lex.Members(doc, entry) {
		switch string(name) {
		case "fullUrl":
			p.fullURL = v
		case "resource":
			p.resource = v
		case "search":
			p.search = v
		case "request":
			p.request = v
		case "response":
			p.response = v
		}
	}
	for name, v := range lex.Members(doc, p.search) {
		if string(name) == "mode" {
			p.mode = v
		}
	}
	for name, v := range lex.Members(doc, p.request) {
		switch string(name) {
		case "method":
			p.method = v
		case "url":
			p.url = v
		case "ifNoneExist":
			p.ifNoneExist = v
		}
	}
	for name, v := range lex.Members(doc, p.response) {
		switch string(name) {
		case "status":
			p.status = v
		case "location":
			p.location = v
		case "lastModified":
			p.lastModified = v
		case "etag":
			p.etag = v
		}
	}
	return p
}

// misfit names the first member that is not of the kind that it must be; "" is none.
func (p *parts) misfit() (element, want string, at int) {
	for _, c := range []struct {
		element string
		value   lex.Value
		want    lex.Kind
	}{
		{"request", p.request, lex.Object},
		{"response", p.response, lex.Object},
		{"search", p.search, lex.Object},
		{"fullUrl", p.fullURL, lex.String},
		{"search.mode", p.mode, lex.String},
		{"request.method", p.method, lex.String},
		{"request.url", p.url, lex.String},
		{"request.ifNoneExist", p.ifNoneExist, lex.String},
		{"response.location", p.location, lex.String},
	} {
		if c.value.Kind == lex.Absent || c.value.Kind == c.want {
			continue
		}
		if c.want == lex.Object {
			return c.element, "an object", c.value.Start
		}
		return c.element, "a string", c.value.Start
	}
	return "", "", 0
}

// isGone reports whether the response's status says that there is no resource any more:
// 204 No Content, 410 Gone.
func (p *parts) isGone() bool {
	return bytes.HasPrefix(p.status.Text, []byte("204")) || bytes.HasPrefix(p.status.Text, []byte("410"))
}
