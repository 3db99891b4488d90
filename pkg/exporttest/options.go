package exporttest

import (
	"encoding/json"
	"errors"
	"io"
	"time"
)

// Dialect is a version of the specification.
type Dialect int

// The dialects.
const (
	V1 Dialect = iota // and 2: kick-off by GET or POST, error, request, extension as an object
	V3                // the same with pages, partial manifests and organizeOutputBy
	V4                // kick-off by POST only, outcome, extension as a list, no request
)

// Options are how the server behaves. The zero Options are a server of version 1 without quirks.
type Options struct {
	Dialect   Dialect
	Resources []Resource
	Deleted   []string  // "Patient/1"
	Outcomes  []string  // lines of the server's own report
	Time      time.Time // transactionTime; zero: none

	// Of the kick-off.
	GetOnly    bool // POST is answered with 404
	NotFound   bool // a method that is not taken is answered with 404, as routers do, and not with 405
	Relative   bool // Content-Location is relative
	Location   bool // the status URL is in Location
	GroupsOnly bool // exports of the system and of all patients are answered with 404
	NeedsType  bool // without _type: 400
	Token      string

	// Of what is exported.
	IgnoreType, IgnoreSince bool
	NoMeta                  bool // resources have no meta
	NoTag                   bool // with _elements, meta.tag does not say SUBSETTED
	PerFile                 int  // resources in a file; 0: all of a type
	PageFiles               int  // files on a page of the manifest; 0: all
	Organize                bool // one file of all types, with headers, if organizeOutputBy is asked for
	Repeat                  int  // how often each resource is there besides

	// Of the status.
	Separate bool // answers are 200 with X-Export-Status
	Hold     bool // the export does not end

	// Of the manifest and its files.
	SaysAnonymous bool // requiresAccessToken is false although files need the token, as with google's test server
	Presigned     bool // requiresAccessToken is false, and files refuse a token
	Continues     bool // continuesInFile names files that there are not
	WrongCounts   bool
	NoNewline     bool // files do not end with a newline
	Gzip          bool
	NoLength      bool // files have neither Content-Length nor validators
	Misnamed      bool // the file of deletions is named after another type
	Gone          int  // what a URL that expired is answered with; 0: 403
}

// Resource is one that the server has.
type Resource struct {
	Type, ID string
	Updated  time.Time // zero: none is said
	Body     string    // as it is, whatever the options say; "": made up
}

// Read reads resources from ndjson.
func Read(r io.Reader) (list []Resource, err error) {
	for d := json.NewDecoder(r); ; {
		var raw json.RawMessage
		if err := d.Decode(&raw); errors.Is(err, io.EOF) {
			return list, nil
		} else if err != nil {
			return nil, err
		}
		var head struct {
			ResourceType, ID string
			Meta             struct{ LastUpdated time.Time }
		}
		if err := json.Unmarshal(raw, &head); err != nil {
			return nil, err
		}
		list = append(list, Resource{Type: head.ResourceType, ID: head.ID, Updated: head.Meta.LastUpdated, Body: string(raw)})
	}
}

// Patients are n resources of a type, updated at a time.
func Patients(n int, updated time.Time) []Resource { return Of("Patient", n, updated) }

// Of is n resources of a type, with the ids 0 to n-1.
func Of(resourceType string, n int, updated time.Time) (list []Resource) {
	for i := range n {
		list = append(list, Resource{Type: resourceType, ID: itoa(i), Updated: updated})
	}
	return list
}

// Epic is modelled on Epic's server: groups only, _type is needed, resources have no meta, and jobs take many polls.
func Epic(resources ...Resource) Options {
	return Options{Dialect: V1, Resources: resources, GroupsOnly: true, NeedsType: true, NoMeta: true, Time: time.Date(2026, 3, 1, 4, 0, 0, 0, time.UTC)}
}
