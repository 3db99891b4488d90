package bundle

import (
	"bytes"

	"github.com/stoker-fhir/stoker/services/parser/internal/scan"
)

// parts are the members of an entry that matter here.
type parts struct {
	fullURL  scan.Value
	resource scan.Value
	search   scan.Value
	mode     scan.Value // search.mode

	request     scan.Value
	method      scan.Value
	url         scan.Value
	ifNoneExist scan.Value

	response     scan.Value
	status       scan.Value
	location     scan.Value
	lastModified scan.Value
}

func readParts(doc []byte, entry scan.Value) parts {
	var p parts
	for name, v := range scan.Members(doc, entry) {
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
	for name, v := range scan.Members(doc, p.search) {
		if string(name) == "mode" {
			p.mode = v
		}
	}
	for name, v := range scan.Members(doc, p.request) {
		switch string(name) {
		case "method":
			p.method = v
		case "url":
			p.url = v
		case "ifNoneExist":
			p.ifNoneExist = v
		}
	}
	for name, v := range scan.Members(doc, p.response) {
		switch string(name) {
		case "status":
			p.status = v
		case "location":
			p.location = v
		case "lastModified":
			p.lastModified = v
		}
	}
	return p
}

// misfit names the first member that is not of the kind that it must be; "" is none.
func (p *parts) misfit() (element, want string, at int) {
	for _, c := range []struct {
		element string
		value   scan.Value
		want    scan.Kind
	}{
		{"request", p.request, scan.Object},
		{"response", p.response, scan.Object},
		{"search", p.search, scan.Object},
		{"fullUrl", p.fullURL, scan.String},
		{"search.mode", p.mode, scan.String},
		{"request.method", p.method, scan.String},
		{"request.url", p.url, scan.String},
		{"request.ifNoneExist", p.ifNoneExist, scan.String},
		{"response.location", p.location, scan.String},
	} {
		if c.value.Kind == scan.Absent || c.value.Kind == c.want {
			continue
		}
		if c.want == scan.Object {
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
