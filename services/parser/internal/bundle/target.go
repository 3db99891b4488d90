package bundle

import (
	"bytes"
	"net/url"
	"strings"

	"github.com/stoker-fhir/stoker/pkg/fhirdef"
)

// target is what a URL of the RESTful API means (https://hl7.org/fhir/R4/http.html).
type target struct {
	resourceType string
	id           string
	query        string // as written, behind the '?'
	action       string // _search, $operation
	version      bool   // one version of the resource
}

// parseTarget reads [base]/Type, Type/id, Type/id/_history/version, Type/_search and
// [Type[/id]/]$operation, each with or without a query. There is a base only in what begins
// with a scheme or a slash.
func parseTarget(fhirVersion string, text []byte) (target, bool) {
	path, query, _ := strings.Cut(string(text), "?")
	base := strings.HasPrefix(path, "/")
	if _, rest, ok := strings.Cut(path, "://"); ok {
		base, path = true, rest
	}
	segments := strings.Split(strings.Trim(path, "/"), "/")
	t := target{query: query}
	last := segments[len(segments)-1]
	if strings.HasPrefix(last, "$") || last == "_search" {
		t.action, segments = last, segments[:len(segments)-1]
		if len(segments) == 0 {
			return t, true
		}
	} else if n := len(segments); n >= 4 && segments[n-2] == "_history" {
		t.version, segments = true, segments[:n-2]
	}
	n := len(segments)
	isType := func(i int) bool {
		return i >= 0 && (i == 0 || base) && fhirdef.IsResourceType(fhirVersion, []byte(segments[i]))
	}
	switch {
	case isType(n - 2):
		id, err := url.PathUnescape(segments[n-1])
		if err != nil {
			return target{}, false
		}
		t.resourceType, t.id = segments[n-2], id
	case isType(n-1) && !t.version:
		t.resourceType = segments[n-1]
	default:
		return t, t.action != "" && base
	}
	return t, true
}

// instanceOf returns the id in a URL of a resource that a server has, or "".
func instanceOf(fhirVersion string, text []byte, resourceType string) string {
	if bytes.HasPrefix(text, []byte("urn:")) {
		return ""
	}
	t, ok := parseTarget(fhirVersion, text)
	if !ok || t.action != "" || resourceType != "" && t.resourceType != resourceType {
		return ""
	}
	return t.id
}
