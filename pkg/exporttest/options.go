package exporttest

import (
	"encoding/json"
	"errors"
	"io"
	"slices"
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
	Deleted   []string // "Patient/1", in every export
	Deletions []Deletion
	Members   []string  // ids of the patients in every Group; nil: all, and no Group can be read
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
	NoPatient  bool // patient is refused
	HideGroup  int  // what reading a Group is answered with; 0: the Group

	// Of what is exported.
	IgnoreType, IgnoreSince bool
	NoMeta                  bool // resources have no meta
	NoDeletions             bool // what was deleted is not listed
	NoTag                   bool // with _elements, meta.tag does not say SUBSETTED
	PerFile                 int  // resources in a file; 0: all of a type
	PageFiles               int  // files on a page of the manifest; 0: all
	Organize                bool // one file of all types, with headers, if organizeOutputBy is asked for
	Repeat                  int  // how often each resource is there besides

	// Of the status.
	Polls    int  // how often an export is under way when it is asked for
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
	Patient  string    // id of the patient whose it is; "": nobody's, or itself
}

// Deletion is of what was deleted at a time, which exports of changes since before that list.
type Deletion struct {
	Of string // "Patient/1"
	At time.Time
}

// Day is what happens at a server in a day.
type Day struct {
	At      time.Time  // when, and the transaction time of exports from then on
	Put     []Resource // written; what has no time was updated then
	Delete  []string   // "Patient/1"
	Members []string   // of every Group; nil: as before
}

// Pass has a day pass at the server.
func (s *Server) Pass(d Day) {
	s.Set(func(o *Options) {
		o.Time = d.At
		if d.Members != nil {
			o.Members = d.Members
		}
		// Exports that were begun, and options that a test has kept, are of before.
		o.Resources, o.Deletions = slices.Clone(o.Resources), slices.Clone(o.Deletions)
		remove := func(of string) {
			o.Resources = slices.DeleteFunc(o.Resources, func(r Resource) bool { return r.String() == of })
			o.Deletions = slices.DeleteFunc(o.Deletions, func(x Deletion) bool { return x.Of == of })
		}
		for _, of := range d.Delete {
			remove(of)
			o.Deletions = append(o.Deletions, Deletion{of, d.At})
		}
		for _, r := range d.Put {
			if r.Updated.IsZero() {
				r.Updated = d.At
			}
			remove(r.String())
			o.Resources = append(o.Resources, r)
		}
	})
}

// String is "Patient/1".
func (r Resource) String() string { return r.Type + "/" + r.ID }

// isOf reports whether a resource is of one of some patients, or of nobody.
func (r Resource) isOf(patients []string) bool {
	of := r.Patient
	if r.Type == "Patient" {
		of = r.ID
	}
	return of == "" || slices.Contains(patients, of)
}

// Content is what an export of a Group has now: the line of each resource.
func (o Options) Content() map[string]string {
	content := map[string]string{}
	for _, r := range o.Resources {
		if o.Members == nil || r.isOf(o.Members) {
			content[r.String()] = r.Line(o, false)
		}
	}
	return content
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

// Epic is modelled on Epic's server: groups only, asked for by GET, _type is needed, resources have no meta, jobs take many hours, what was
// deleted is not listed, and Groups cannot be read.
func Epic(resources ...Resource) Options {
	return Options{Dialect: V1, Resources: resources, GroupsOnly: true, GetOnly: true, NeedsType: true, NoMeta: true, NoDeletions: true, NoPatient: true, HideGroup: 403, Polls: 150, Time: time.Date(2026, 3, 1, 4, 0, 0, 0, time.UTC)}
}
