package fhirservertest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// answer is what a search found, by pages.
type answer struct {
	kind    string // of Bundle
	entries []string
	count   int
}

// first answers with the first page.
func (s *Server) first(w http.ResponseWriter, a Asked, opts Options, entries []string) {
	count, err := strconv.Atoi(a.Query.Get("_count"))
	if err != nil || count < 1 {
		count = 20
	}
	if opts.MaxPage > 0 {
		count = min(count, opts.MaxPage)
	}
	kind := "searchset"
	if a.Kind == History {
		kind = "history"
	}
	s.mu.Lock()
	token := len(s.answers)
	s.answers = append(s.answers, answer{kind, entries, min(count, 1000)})
	s.mu.Unlock()
	told := url.Values{}
	for name, values := range a.Query {
		if (name != "patient" || !opts.IgnorePatient) && name != opts.Ignore {
			told[name] = values
		}
	}
	s.send(w, token, 0, opts, s.URL+"/"+a.Path+"?"+told.Encode())
}

// page answers with a page behind the first.
func (s *Server) page(w http.ResponseWriter, a Asked, opts Options) {
	var token, at, link int
	_, err := fmt.Sscanf(a.Query.Get("_getpages"), "%d.%d.%d", &token, &at, &link)
	s.mu.Lock()
	known := err == nil && token < len(s.answers)
	s.mu.Unlock()
	if !known {
		reply(w, http.StatusGone, `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"expired"}]}`)
		return
	}
	s.send(w, token, at, opts, "")
}

func (s *Server) send(w http.ResponseWriter, token, at int, opts Options, self string) {
	s.mu.Lock()
	a := s.answers[token]
	s.links++
	link := s.links
	s.mu.Unlock()
	end := min(at+a.count, len(a.entries))
	entries := append([]string{}, a.entries[at:end]...)
	if opts.Twice && at > 0 {
		entries = append([]string{a.entries[at-1]}, entries...)
	}
	if opts.Outcome != "" && at == 0 {
		entries = append(entries, `{"resource":`+opts.Outcome+`,"search":{"mode":"outcome"}}`)
	}
	b := map[string]any{"resourceType": "Bundle", "id": "page-" + strconv.Itoa(link), "type": a.kind}
	if !opts.NoTotal {
		b["total"] = len(a.entries) + opts.Total
	}
	var links []map[string]string
	if self != "" {
		links = append(links, map[string]string{"relation": "self", "url": self})
	}
	next := -1
	switch {
	case opts.Same:
		next = at
	case end < len(a.entries):
		next = end
	case opts.Loop && len(a.entries) > a.count:
		next = a.count
	}
	if next >= 0 {
		if !opts.Same {
			link = 0
		}
		links = append(links, map[string]string{"relation": "next", "url": s.link(opts, fmt.Sprintf("%d.%d.%d", token, next, link))})
	}
	b["link"] = links
	if len(entries) > 0 {
		b["entry"] = json.RawMessage("[" + strings.Join(entries, ",") + "]")
	}
	content, err := json.Marshal(b)
	if err != nil {
		reply(w, http.StatusInternalServerError, "")
		return
	}
	if opts.Pretty {
		var pretty bytes.Buffer
		_ = json.Indent(&pretty, content, "", "  ") // it was made here
		content = bytes.ReplaceAll(pretty.Bytes(), []byte("\n"), []byte("\r\n"))
	}
	reply(w, http.StatusOK, string(content))
}

func (s *Server) link(opts Options, token string) string {
	switch {
	case opts.Elsewhere != "":
		return opts.Elsewhere + "/fhir?_getpages=" + token
	case opts.Relative:
		return "?_getpages=" + token
	default:
		return s.URL + "?_getpages=" + token
	}
}
