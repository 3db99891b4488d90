package manifest

import (
	"net/url"
	"slices"
	"strings"
	"time"
)

// Limits of a manifest.
const (
	MaxSize  = 32 << 20 // bytes, decompressed
	MaxFiles = 100_000  // also of all manifests of a chain
	MaxURL   = 16 << 10 // bytes
)

// Kind is what a file holds.
type Kind string

// The kinds. Their values are stored.
const (
	Resources Kind = ""        // output, input
	Deleted   Kind = "deleted" // Bundles of DELETE requests
	Outcome   Kind = "outcome" // the supplier's own OperationOutcomes: outcome, error
)

// Manifest is one page of a list of files.
type Manifest struct {
	TransactionTime time.Time // zero: none that can be read
	Anonymous       bool      // requiresAccessToken is false: a token must not be sent for files
	Epoch           time.Time // the manifest is added to, and was begun then ($bulk-publish, epochStartTime); zero: it is not
	Files           []File    // those of output, then of deleted, then of outcome
	Next            *url.URL  // the next page; nil: none
	Pending         bool      // the next page does not exist yet ($bulk-publish, "#pending")
	Closed          bool      // the chain ended and begins anew elsewhere ($bulk-publish, "#closed")
	Request         string    // URL that the export was asked for with; "": not told
}

// Part says why the manifest does not list all that there is, of these types or, if none is named, of all; "" is that
// nothing tells so: not every server repeats what it was asked.
func (m Manifest) Part(types []string) string {
	u, err := url.Parse(m.Request)
	if err != nil || m.Request == "" {
		return ""
	}
	return Part(u.Query(), types)
}

// Part says why an export that was asked for with parameters is not of all that there is, of these types or, if none is
// named, of all; "" is that it is. See https://hl7.org/fhir/uv/bulkdata/export.html#query-parameters.
func Part(parameters url.Values, types []string) string {
	for name := range parameters {
		switch name {
		case "_since", "_until", "_typeFilter", "_elements", "patient":
			return "its export was asked for with " + name + ", and is a part of what there is"
		}
	}
	asked := strings.FieldsFunc(strings.Join(parameters["_type"], ","), func(c rune) bool { return c == ',' })
	switch {
	case len(asked) == 0:
		return ""
	case len(types) == 0:
		return "its export was asked for with _type: name these types as the snapshot's"
	}
	for _, t := range types {
		if !slices.Contains(asked, t) {
			return "its export was not asked for " + t
		}
	}
	return ""
}

// File is one entry of a manifest.
type File struct {
	Kind    Kind
	Place   string   // in the manifest, for people: output[3]
	Type    string   // declared type of its resources; "" is unknown
	URL     *url.URL // absolute, without fragment; nil where there is a Problem
	Count   int64    // of resources, as the manifest says; -1 unknown
	Size    int64    // in bytes, as the manifest says; -1 unknown
	Problem string   // why it cannot be fetched
}
