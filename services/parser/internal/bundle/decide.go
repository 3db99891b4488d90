package bundle

import (
	"bytes"
	"strings"

	"github.com/stoker-fhir/stoker/services/parser/internal/key"
	"github.com/stoker-fhir/stoker/services/parser/internal/lex"
)

// decide says what becomes of an entry.
func (u *Unroller) decide(e *Entry, p *parts) {
	e.LastModified = p.lastModified
	if element, want, at := p.misfit(); element != "" {
		e.reject("structure", "Bundle.entry."+element+" must be "+want, element, at)
		return
	}
	resource := p.resource.Kind != lex.Absent
	method := string(p.method.Text)
	switch u.Type {
	case Batch, Transaction:
		u.decideRequest(e, p, method)
	case History:
		switch {
		case method == "DELETE" || !resource && p.isGone():
			u.deleteVersion(e, p)
		case method == "GET" || method == "HEAD":
			e.Outcome = Ignored
		default:
			u.store(e, p, method)
		}
	case BatchResponse, TransactionResponse:
		if !resource {
			e.Outcome = Ignored // the outcome of a request
			return
		}
		u.store(e, p, "")
	default: // Collection, Searchset
		if string(p.mode.Text) == "outcome" || !resource && (method == "GET" || p.response.Kind != lex.Absent) {
			e.Outcome = Ignored
			return
		}
		u.store(e, p, "")
	}
}

func (u *Unroller) decideRequest(e *Entry, p *parts, method string) {
	switch method {
	case "GET":
		e.Outcome = Ignored
	case "POST", "PUT":
		u.store(e, p, method)
	case "DELETE":
		u.deleteInstance(e, p)
	case "PATCH":
		e.reject("not-supported", "PATCH is not supported: send the whole resource with PUT", "request.method", p.method.Start)
	case "HEAD":
		e.reject("not-supported", "HEAD is not supported: it delivers nothing", "request.method", p.method.Start)
	case "":
		if p.resource.Kind == lex.Absent {
			e.reject("required", "Bundle.entry.request is missing: expected a method and a url", "request", 0)
			return
		}
		e.Warnings++ // a resource is a resource
		u.store(e, p, "")
	default:
		e.reject("value", "Bundle.entry.request.method is unknown: expected one of GET, POST, PUT, DELETE", "request.method", p.method.Start)
	}
}

// deleteInstance is the deletion of Type/id.
func (u *Unroller) deleteInstance(e *Entry, p *parts) {
	t, ok := parseTarget(u.FHIRVersion, p.url.Text)
	switch {
	case ok && t.resourceType != "" && t.id == "" && t.action == "" && t.query != "":
		e.Type = []byte(t.resourceType)
		e.reject("not-supported", "conditional DELETE is not supported: delete by Type/id", "request.url", p.url.Start)
	case !ok || t.id == "" || t.action != "" || t.version:
		e.reject("value", "Bundle.entry.request.url of a DELETE: expected Type/id", "request.url", p.url.Start)
	default:
		u.setDeleted(e, t.resourceType, t.id, p.url.Start)
	}
}

// deleteVersion is the deletion that an entry of a history tells of.
func (u *Unroller) deleteVersion(e *Entry, p *parts) {
	for _, v := range []lex.Value{p.url, p.location, p.fullURL} {
		t, ok := parseTarget(u.FHIRVersion, v.Text)
		if ok && t.id != "" && t.action == "" && !bytes.HasPrefix(v.Text, urnPrefix) {
			u.setDeleted(e, t.resourceType, t.id, v.Start)
			return
		}
	}
	e.reject("value", "a deletion in a history: expected Type/id as request.url", "request.url", p.url.Start)
}

func (u *Unroller) setDeleted(e *Entry, resourceType, id string, at int) {
	e.Type = []byte(resourceType)
	if fault := key.Fault([]byte(id)); fault != "" {
		e.reject("value", "id "+fault, "request.url", at)
		return
	}
	e.Outcome, e.ID = Deleted, []byte(id)
}

// store takes the entry's resource, if it can be keyed. Method is POST, PUT or what else
// the entry of a history says, and empty where requests do not matter.
func (u *Unroller) store(e *Entry, p *parts, method string) {
	if p.resource.Kind == lex.Absent {
		e.reject("required", "Bundle.entry.resource is missing", "resource", 0)
		return
	}
	e.Body = u.Text[p.resource.Start:p.resource.End]
	d, err := u.scanner.Read(e.Body, false)
	if err != nil { // the whole document was scanned without one
		e.reject("processing", "the resource could not be read", "resource", p.resource.Start)
		return
	}
	if problem := key.CheckType(u.FHIRVersion, d); problem != nil {
		e.reject(problem.Code, problem.Diagnostics, "resource", p.resource.Start+int(problem.Offset))
		return
	}
	e.Type, e.Subsetted, e.LastUpdated = d.ResourceType.Text, d.Subsetted, d.LastUpdated
	if d.ID.Kind != lex.Absent {
		if problem := key.CheckID(d); problem != nil {
			e.reject(problem.Code, problem.Diagnostics, "resource.id", p.resource.Start+int(problem.Offset))
			return
		}
		e.ID = d.ID.Text
	}
	switch {
	case u.Type.isAnswer() && e.ID == nil && string(e.Type) == "OperationOutcome":
		e.Outcome = Ignored
		return
	case method == "PUT":
		u.put(e, p)
	case method == "POST" && u.Type != History:
		u.post(e, p)
	}
	if e.Problem != nil || e.Outcome == Ignored {
		return
	}
	if e.ID == nil {
		u.nameIt(e, p)
	}
	if e.Problem == nil {
		e.Outcome = Stored
	}
}

// isAnswer: an OperationOutcome in it is about a request, not a resource of the server's.
func (t Type) isAnswer() bool {
	return t == Searchset || t == BatchResponse || t == TransactionResponse
}

// put settles the id by the request's URL.
func (u *Unroller) put(e *Entry, p *parts) {
	if len(p.url.Text) == 0 {
		e.Warnings++
		return
	}
	t, ok := parseTarget(u.FHIRVersion, p.url.Text)
	switch {
	case !ok || t.action != "" || t.version && u.Type != History:
		e.reject("value", "Bundle.entry.request.url of a PUT: expected Type/id or Type?search", "request.url", p.url.Start)
	case t.resourceType != string(e.Type):
		e.reject("value", "Bundle.entry.request.url names another type than the resource has: expected the same", "request.url", p.url.Start)
	case t.id != "" && e.ID == nil:
		if fault := key.Fault([]byte(t.id)); fault != "" {
			e.reject("value", "id in Bundle.entry.request.url "+fault, "request.url", p.url.Start)
			return
		}
		e.ID = []byte(t.id)
	case t.id != "" && t.id != string(e.ID):
		e.reject("value", "Bundle.entry.request.url names another id than the resource has: expected the same", "request.url", p.url.Start)
	case t.id == "" && e.ID == nil && t.query == "":
		e.reject("required", "Bundle.entry.request.url of a PUT: expected Type/id or Type?search, or a resource with an id", "request.url", p.url.Start)
	case t.id == "" && e.ID == nil:
		u.nameByCondition(e, t.query, "request.url", p.url.Start)
	case t.id == "" && t.query == "":
		e.Warnings++
	}
}

// post refuses what is not the creation of a resource, and names a conditional one.
func (u *Unroller) post(e *Entry, p *parts) {
	t, ok := parseTarget(u.FHIRVersion, p.url.Text)
	switch {
	case len(p.url.Text) == 0:
		e.Warnings++
	case ok && t.action == "_search":
		e.Outcome = Ignored
		return
	case ok && t.action != "":
		e.reject("not-supported", "operations are not supported: expected a resource to create", "request.url", p.url.Start)
		return
	case !ok || t.id != "":
		e.reject("value", "Bundle.entry.request.url of a POST: expected Type", "request.url", p.url.Start)
		return
	case t.resourceType != string(e.Type):
		e.reject("value", "Bundle.entry.request.url names another type than the resource has: expected the same", "request.url", p.url.Start)
		return
	}
	if e.ID == nil && len(p.ifNoneExist.Text) > 0 {
		query := string(p.ifNoneExist.Text)
		if before, after, ok := strings.Cut(query, "?"); ok && !strings.Contains(before, "=") {
			query = after // Type?search, ?search
		}
		u.nameByCondition(e, query, "request.ifNoneExist", p.ifNoneExist.Start)
	}
}

func (u *Unroller) nameByCondition(e *Entry, query, element string, at int) {
	if !canBeNamed(e.Type) {
		return
	}
	id, err := u.IDs.FromCondition(string(e.Type), query)
	if err != nil {
		e.reject("value", "Bundle.entry."+element+": expected a search with parameters, as in identifier=system|value", element, at)
		return
	}
	e.ID = id
}

// nameIt settles the id of a resource that has none, and whose request says nothing.
func (u *Unroller) nameIt(e *Entry, p *parts) {
	if u.Type == History || u.Type == BatchResponse || u.Type == TransactionResponse {
		for _, v := range []lex.Value{p.url, p.location, p.fullURL} {
			if id := instanceOf(u.FHIRVersion, v.Text, string(e.Type)); id != "" && key.Fault([]byte(id)) == "" {
				e.ID = []byte(id)
				return
			}
		}
	}
	if u.Base != "" && bytes.HasPrefix(p.fullURL.Text, []byte(u.Base)) {
		if id := instanceOf(u.FHIRVersion, p.fullURL.Text, string(e.Type)); id != "" && key.Fault([]byte(id)) == "" {
			e.ID = []byte(id)
			return
		}
	}
	switch {
	case !canBeNamed(e.Type):
		e.reject("required", "id is missing: a "+string(e.Type)+" in a Bundle needs one to be stored", "resource.id", p.resource.Start)
	case len(p.fullURL.Text) > 0:
		e.ID = u.IDs.FromURL(p.fullURL.Text)
	default:
		e.ID = u.IDs.FromContent(string(e.Type), u.scanner.Hash())
	}
}

// canBeNamed: Bundles and Parameters carry other things; without an id nobody will look
// for them.
func canBeNamed(resourceType []byte) bool {
	return string(resourceType) != "Bundle" && string(resourceType) != "Parameters"
}
