package exporttest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// job is an export.
type job struct {
	id      int
	asked   Asked
	files   []file
	removed bool
	polls   int // that were answered
}

// parameters are what a kick-off asks for, in the form of a query.
func parameters(r *http.Request, body []byte) url.Values {
	if r.Method == http.MethodGet {
		return r.URL.Query()
	}
	var resource struct {
		Parameter []map[string]json.RawMessage `json:"parameter"`
	}
	if json.Unmarshal(body, &resource) != nil {
		return nil
	}
	q := url.Values{}
	for _, p := range resource.Parameter {
		var name, value string
		_ = json.Unmarshal(p["name"], &name) // "" is refused later
		for member, raw := range p {
			var reference struct {
				Reference string `json:"reference"`
			}
			switch {
			case member == "name":
			case json.Unmarshal(raw, &value) == nil:
			case json.Unmarshal(raw, &reference) == nil && reference.Reference != "":
				value = reference.Reference
			default:
				value = string(raw)
			}
		}
		q.Add(name, value)
	}
	return q
}

func (s *Server) kickOff(w http.ResponseWriter, opts Options, a Asked) {
	notTaken := http.StatusMethodNotAllowed
	if opts.NotFound {
		notTaken = http.StatusNotFound
	}
	level := strings.TrimSuffix(strings.TrimPrefix(a.Path, "/fhir/"), "$export")
	bad := func(diagnostics string) { reply(w, http.StatusBadRequest, Outcome("invalid", diagnostics)) }
	post := a.Method == http.MethodPost
	switch {
	case opts.Dialect == V4 && !post, opts.GetOnly && post, !post && a.Method != http.MethodGet:
		reply(w, notTaken, "no such route")
	case !strings.Contains(a.Header.Get("Prefer"), "respond-async"), a.Header.Get("Accept") != "application/fhir+json":
		bad("Accept or Prefer is not as it must be")
	case post && (a.Header.Get("Content-Type") != "application/fhir+json" || !strings.Contains(a.Body, `"Parameters"`)):
		bad("the body must be Parameters")
	case post && opts.Dialect == V4 && strings.Contains(a.Parameters.Get("_type"), ","):
		bad("a comma list is none of version 4")
	case !post && a.Parameters.Has("patient"):
		bad("patient is for POST only")
	case !strings.HasPrefix(a.Path, "/fhir/"), level != "" && level != "Patient/" && !strings.HasPrefix(level, "Group/"),
		opts.GroupsOnly && !strings.HasPrefix(level, "Group/"):
		reply(w, http.StatusNotFound, Outcome("not-found", "no such export"))
	case opts.NoPatient && a.Parameters.Has("patient"):
		bad("patient is not known")
	case opts.NeedsType && !a.Parameters.Has("_type"):
		bad("_type is required")
	default:
		s.mu.Lock()
		j := &job{id: len(s.jobs), asked: a}
		j.files = makeFiles(opts, a.Parameters, strings.HasPrefix(level, "Group/"))
		s.jobs = append(s.jobs, j)
		s.mu.Unlock()
		at := "/jobs/" + strconv.Itoa(j.id)
		if !opts.Relative {
			at = s.root() + at
		}
		name := "Content-Location"
		if opts.Location {
			name = "Location"
		}
		w.Header().Set(name, at)
		reply(w, http.StatusAccepted, "")
	}
}

func (s *Server) root() string { return strings.TrimSuffix(s.URL, "/fhir") }

// group answers with a Group.
func (s *Server) group(w http.ResponseWriter, opts Options, id string) {
	switch {
	case opts.HideGroup != 0:
		reply(w, opts.HideGroup, Outcome("forbidden", "a Group is not to be read"))
		return
	case opts.Members == nil:
		reply(w, http.StatusNotFound, Outcome("not-found", "no such Group"))
		return
	}
	members := []any{}
	for _, m := range opts.Members {
		members = append(members, map[string]any{"entity": map[string]string{"reference": "Patient/" + m}})
	}
	b, err := json.Marshal(map[string]any{"resourceType": "Group", "id": id, "type": "person", "actual": true, "member": members})
	if err != nil {
		return
	}
	reply(w, http.StatusOK, string(b))
}

// job answers what is asked below a status URL.
func (s *Server) job(w http.ResponseWriter, r *http.Request, opts Options, generation int) {
	var id, page int
	_, _ = fmt.Sscanf(r.URL.Path, "/jobs/%d/page/%d", &id, &page) // fewer are the first page
	s.mu.Lock()
	var j *job
	if id < len(s.jobs) && !s.jobs[id].removed {
		j = s.jobs[id]
		j.removed = r.Method == http.MethodDelete
		if j.polls++; j.polls <= opts.Polls {
			opts.Hold = true
		}
	}
	s.mu.Unlock()
	switch {
	case j == nil:
		reply(w, http.StatusNotFound, Outcome("not-found", "no such export"))
		return
	case r.Method == http.MethodDelete:
		reply(w, http.StatusAccepted, "")
		return
	}
	status, body := http.StatusOK, ""
	if opts.Hold {
		status = http.StatusAccepted
		w.Header().Set("X-Progress", "in progress, 42 % of Erika Mustermann done")
	}
	if !opts.Hold || opts.Dialect != V1 { // a part of it is there
		body = s.manifest(j, page, opts, generation)
	}
	if opts.Separate {
		w.Header().Set("X-Export-Status", strconv.Itoa(status))
		w.Header().Set("Preference-Applied", "separate-export-status")
		status = http.StatusOK
	}
	w.Header().Set("Content-Type", "application/json")
	reply(w, status, body)
}

// manifest is a page of the manifest, in the words of the dialect.
func (s *Server) manifest(j *job, page int, opts Options, generation int) string {
	m := map[string]any{"requiresAccessToken": opts.Token != "" && !opts.SaysAnonymous && !opts.Presigned}
	if !opts.Time.IsZero() {
		m["transactionTime"] = opts.Time.Format(time.RFC3339Nano)
	}
	outcome := "error"
	switch opts.Dialect {
	case V1:
		m["request"], m["extension"] = s.root()+j.asked.Path, map[string]any{"https://example.org/x": true}
	case V3:
		m["request"], m["outputFormat"] = s.root()+j.asked.Path, "application/fhir+ndjson"
	case V4:
		outcome = "outcome"
		m["manifestType"], m["extension"] = "export", []any{map[string]any{"url": "https://example.org/x", "valueBoolean": true}}
	}
	per := len(j.files)
	if opts.PageFiles > 0 {
		per = opts.PageFiles
	}
	lists := map[string][]map[string]any{"output": {}, "deleted": {}, outcome: {}}
	for i := page * per; i < min((page+1)*per, len(j.files)); i++ {
		list, e := s.entry(j, i, opts, generation)
		if list == "outcome" {
			list = outcome
		}
		lists[list] = append(lists[list], e)
	}
	for name, list := range lists {
		if name == "output" || len(list) > 0 {
			m[name] = list
		}
	}
	if (page+1)*per < len(j.files) {
		m["link"] = []map[string]string{{"relation": "next", "url": fmt.Sprintf("%s/jobs/%d/page/%d", s.root(), j.id, page+1)}}
	}
	b, err := json.Marshal(m)
	if err != nil {
		return ""
	}
	return string(b)
}

// entry is a file in a manifest, and the list that it is in.
func (s *Server) entry(j *job, i int, opts Options, generation int) (list string, e map[string]any) {
	f := j.files[i]
	count := f.count
	if opts.WrongCounts {
		count += 7
	}
	name := f.name
	if f.list == "deleted" && opts.Misnamed {
		name = "Observation.deleted.ndjson"
	}
	e = map[string]any{"url": fmt.Sprintf("%s/files/%d/%d/%s?sig=%d", s.root(), j.id, i, name, generation), "count": count}
	if f.resourceType != "" {
		e["type"] = f.resourceType
	}
	if opts.Continues && i+1 < len(j.files) && f.resourceType == j.files[i+1].resourceType {
		e["continuesInFile"] = fmt.Sprintf("%d.%s.ndjson", i, f.resourceType) // which it is not
	}
	return f.list, e
}
