package pull

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/outbound"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/export"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/source"
)

// Ref is a resource by its type and id.
type Ref struct{ Type, ID string }

// Page is what a page has.
type Page struct {
	Lines  []byte
	Notes  []string // what was noticed, for people
	Wanted []Ref    // that resources point to, of types that are followed
	There  []Ref    // of types that are followed
	Asked  []Ref    // that the page was asked for, of what is followed

	entries []Ref // resources with an id
	matches int64 // entries that the search found
	all     int64 // entries but those about the search
	total   *int64
	next    *url.URL
	self    *url.URL
}

// bundle is what is read of a Bundle (https://hl7.org/fhir/R4/bundle.html).
type bundle struct {
	ResourceType string `json:"resourceType"`
	Total        *int64 `json:"total"`
	Link         []struct {
		Relation string `json:"relation"`
		URL      string `json:"url"`
	} `json:"link"`
	Entry []json.RawMessage `json:"entry"`
}

// entry is what is read of an entry.
type entry struct {
	Resource json.RawMessage `json:"resource"`
	Search   struct {
		Mode string `json:"mode"`
	} `json:"search"`
	Request struct {
		Method string `json:"method"`
	} `json:"request"`
	Response struct {
		Status       string `json:"status"`
		LastModified string `json:"lastModified"`
	} `json:"response"`
}

// head is what is read of a resource.
type head struct {
	ResourceType string `json:"resourceType"`
	ID           string `json:"id"`
	Meta         struct {
		LastUpdated string `json:"lastUpdated"`
	} `json:"meta"`
}

// reader reads pages of one file.
type reader struct {
	file source.Pull
	base string // of the server, with a slash at its end
	page Page
}

// read reads an answer. Errors repeat nothing of the content.
func (r *reader) read(a source.Answer) (Page, error) {
	body := bytes.TrimPrefix(a.Body, []byte("\ufeff"))
	if start := bytes.TrimLeft(body, " \t\r\n"); len(start) == 0 || start[0] != '{' {
		if kind := strings.ToLower(a.Type); kind != "" && !strings.Contains(kind, "json") && len(kind) < 100 {
			return Page{}, fmt.Errorf("the server sent %q and no FHIR JSON", kind)
		}
		return Page{}, errors.New("the server sent no FHIR JSON")
	}
	var b bundle
	if err := json.Unmarshal(body, &b); err != nil {
		return Page{}, withoutContent(err, len(body))
	}
	switch b.ResourceType {
	case "Bundle":
	case "OperationOutcome":
		return Page{}, fmt.Errorf("the server sent an OperationOutcome: %s", strings.Join(export.Codes(body), "; "))
	case "":
		return Page{}, errors.New("the server sent JSON that is no resource")
	default:
		if !r.file.Follows { // where a resource is read by its id, it is the answer
			return Page{}, errors.New("the server sent a resource and no Bundle")
		}
		r.resource(body, nil)
		return r.page, nil
	}
	if err := r.links(a.At, b); err != nil {
		return Page{}, err
	}
	r.page.total = b.Total
	if r.file.History {
		r.deletions(b.Entry)
		return r.page, nil
	}
	for _, raw := range b.Entry {
		r.entry(raw)
	}
	return r.page, nil
}

func withoutContent(err error, size int) error {
	var syntax *json.SyntaxError
	var shape *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax) && syntax.Offset >= int64(size):
		return errors.New("the JSON that the server sent ends in its middle")
	case errors.As(err, &syntax):
		return fmt.Errorf("what the server sent is not JSON at byte %d", syntax.Offset)
	case errors.As(err, &shape):
		return fmt.Errorf("what the server sent is no Bundle at byte %d", shape.Offset)
	default:
		return errors.New("what the server sent cannot be read")
	}
}

// links reads the links of a page.
func (r *reader) links(at *url.URL, b bundle) error {
	for _, l := range b.Link {
		if l.Relation != "next" && l.Relation != "self" || l.URL == "" {
			continue
		}
		if len(l.URL) > fhirmsg.MaxURL {
			return errors.New("a link that is too long")
		}
		u, err := at.Parse(l.URL)
		if err == nil {
			u.User, u.Fragment, u.RawFragment = nil, "", ""
			u, err = outbound.ParseURL(u.String())
		}
		if l.Relation == "self" {
			r.page.self = u // nil: of no use
			continue
		}
		if err != nil {
			return errors.New("the link to the next page is no http or https URL")
		}
		if r.page.next != nil {
			return errors.New("there is more than one link to a next page")
		}
		r.page.next = u
	}
	return nil
}

// entry takes an entry of an answer to a search.
func (r *reader) entry(raw json.RawMessage) {
	var e entry
	_ = json.Unmarshal(raw, &e) // what has another shape is left out; the parser says what is wrong with it
	if e.Search.Mode == "outcome" || e.Search.Mode == "" && kindOf(e.Resource).ResourceType == "OperationOutcome" && kindOf(e.Resource).ID == "" {
		r.outcome(e.Resource)
		return
	}
	r.page.all++
	if e.Search.Mode != "include" {
		r.page.matches++
	}
	r.resource(e.Resource, raw)
}

func kindOf(resource []byte) (h head) {
	if len(resource) > 0 && json.Unmarshal(resource, &h) != nil && h.ResourceType == "" {
		return head{}
	}
	return h
}

// resource takes a resource; raw is its entry, nil where there is none.
func (r *reader) resource(resource, raw []byte) {
	h := kindOf(resource)
	ref := Ref{h.ResourceType, h.ID}
	if h.ID != "" {
		r.page.entries = append(r.page.entries, ref)
	}
	if len(r.file.Types) > 0 {
		r.follow(resource, ref)
	}
	if raw != nil && (h.ID == "" || h.ResourceType == "" || h.ResourceType == "Bundle" || h.ResourceType == "Parameters") {
		r.line(`{"resourceType":"Bundle","type":"searchset","entry":[`, raw, `]}`)
		return
	}
	r.line("", resource, "")
}

func (r *reader) line(before string, raw []byte, after string) {
	b := append(r.page.Lines, before...)
	for _, c := range raw { // between values only: strings have none in JSON
		if c == '\n' || c == '\r' {
			c = ' '
		}
		b = append(b, c)
	}
	b = append(b, after...)
	r.page.Lines = append(b, '\n')
}

// outcome notes what the server says about a search.
func (r *reader) outcome(resource []byte) {
	for _, c := range export.Codes(resource) {
		r.note("the server reports of its own work: " + c)
	}
}

// maxNotes is how many notes a page may have: codes are the server's to choose.
const maxNotes = 20

func (r *reader) note(text string) {
	if len(r.page.Notes) < maxNotes {
		r.page.Notes = append(r.page.Notes, text)
	}
}

// deletions takes those of a history as a history Bundle. Where one has no date, the dates of the entries around it are there
// too, by which the parser dates it.
func (r *reader) deletions(entries []json.RawMessage) {
	undated := false
	type version struct {
		raw     []byte // of a deletion; nil is of another
		changed string
	}
	var list []version
	for _, raw := range entries {
		var e entry
		err := json.Unmarshal(raw, &e) // what has another shape is left out
		v := version{changed: e.Response.LastModified}
		gone := strings.HasPrefix(e.Response.Status, "204") || strings.HasPrefix(e.Response.Status, "410")
		switch {
		case e.Request.Method == "DELETE" || len(e.Resource) == 0 && (gone || err != nil): // may be one: the parser says what is wrong with it
			v.raw = raw
			undated = undated || v.changed == ""
			r.page.all++
		case v.changed == "":
			v.changed = kindOf(e.Resource).Meta.LastUpdated
		}
		list = append(list, v)
	}
	if r.page.all == 0 {
		return
	}
	var b bytes.Buffer
	for _, v := range list {
		switch {
		case v.raw != nil:
			b.Write(v.raw)
		case undated && v.changed != "":
			date, err := json.Marshal(v.changed)
			if err != nil {
				continue
			}
			fmt.Fprintf(&b, `{"request":{"method":"GET","url":"metadata"},"response":{"status":"200","lastModified":%s}}`, date)
		default:
			continue
		}
		b.WriteByte(',')
	}
	r.line(`{"resourceType":"Bundle","type":"history","entry":[`, bytes.TrimSuffix(b.Bytes(), []byte{','}), `]}`)
}
