package fhirservertest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stoker-fhir/stoker/pkg/exporttest"
)

// What is asked of a server.
const (
	Search     = "search"
	Everything = "everything"
	History    = "history"
	Read       = "read"
	Page       = "page" // behind the first
	Other      = "other"
)

// Options are how the server behaves. The zero Options are a server without quirks.
type Options struct {
	Resources []exporttest.Resource
	Deleted   []Deletion
	Token     string

	MaxPage   int    // entries of a page, whatever is asked for; 0: 1000
	Twice     bool   // the last resource of a page is the first of the next one again
	Loop      bool   // the last page of an answer leads to the second one
	Same      bool   // each page leads to itself, by another link each time
	Elsewhere string // origin that links lead to
	Relative  bool   // links are relative
	Pretty    bool   // JSON over several lines
	NoTotal   bool
	Total     int    // is added to the total
	Outcome   string // an OperationOutcome that is in each first page
	NoHistory bool   // is answered with 405
	Undated   bool   // deletions have no lastModified

	IgnorePatient bool   // a search is of all patients, as the link to the page itself says
	Ignore        string // name of a parameter that the link to the page itself lacks
	IgnoreSince   bool
	Bare          bool // $everything leaves out what is of no patient
}

// Deletion is a resource that is not there any more.
type Deletion struct {
	Type, ID, At string // At is an instant
}

// Asked is a request that was made.
type Asked struct {
	Kind, Path string
	Query      url.Values
	Header     http.Header
}

// Server is a FHIR server.
type Server struct {
	URL string // its base, such as http://127.0.0.1:1234/fhir

	exporttest.Recorder[Options, Asked] // answers wait while it stalls them

	mu      sync.Mutex
	answers []answer // by the token of their pages
	links   int
	under   int // requests under way
	most    int // at once, so far
}

// New starts a server, which ends with the test.
func New(t testing.TB, opts Options) *Server {
	t.Helper()
	s := &Server{}
	s.Set(func(o *Options) { *o = opts })
	server := httptest.NewUnstartedServer(s)
	s.URL = "http://" + server.Listener.Addr().String() + "/fhir"
	server.Start()
	t.Cleanup(func() { s.Release(); server.CloseClientConnections(); server.Close() })
	return s
}

// AtOnce is how many requests were under way at once, at most.
func (s *Server) AtOnce() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.most
}

// kindOf tells requests apart. path is that below the base.
func kindOf(path string, query url.Values) string {
	parts := strings.Split(path, "/")
	last := parts[len(parts)-1]
	switch {
	case query.Has("_getpages"):
		return Page
	case last == "$everything":
		return Everything
	case last == "_history":
		return History
	case len(parts) == 2:
		return Read
	case len(parts) == 1 && path != "":
		return Search
	default:
		return Other
	}
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.Trim(strings.TrimPrefix(r.URL.Path, "/fhir"), "/")
	a := Asked{Kind: kindOf(path, r.URL.Query()), Path: path, Query: r.URL.Query(), Header: r.Header}
	s.count(1)
	defer s.count(-1)
	opts, instead := s.Record(w, a.Kind, a)
	if stall := s.Stalled(); stall != nil {
		select {
		case <-stall:
		case <-r.Context().Done():
			return
		}
	}
	switch {
	case instead != nil:
		reply(w, instead.Status, instead.Body)
	case opts.Token != "" && r.Header.Get("Authorization") != "Bearer "+opts.Token:
		reply(w, http.StatusUnauthorized, exporttest.Outcome("login", "a token is needed"))
	case r.Method != http.MethodGet || r.Header.Get("Accept") != "application/fhir+json":
		reply(w, http.StatusBadRequest, exporttest.Outcome("invalid", "Accept or the method is not as it must be"))
	default:
		s.answer(w, a, opts)
	}
}

// count counts requests under way, so many more.
func (s *Server) count(more int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.under += more
	s.most = max(s.most, s.under)
}

func (s *Server) answer(w http.ResponseWriter, a Asked, opts Options) {
	parts := strings.Split(a.Path, "/")
	switch a.Kind {
	case Read:
		for _, r := range opts.Resources {
			if r.Type == parts[0] && r.ID == parts[1] {
				reply(w, http.StatusOK, r.Body)
				return
			}
		}
		status := http.StatusNotFound
		if slices.ContainsFunc(opts.Deleted, func(d Deletion) bool { return d.Type == parts[0] && d.ID == parts[1] }) {
			status = http.StatusGone
		}
		reply(w, status, exporttest.Outcome("not-found", "no "+a.Path))
	case Search:
		s.first(w, a, opts, search(opts, a, parts[0]))
	case Everything:
		found, ok := everything(opts, a, parts[1])
		if !ok {
			reply(w, http.StatusNotFound, exporttest.Outcome("not-found", "no "+parts[1]))
			return
		}
		s.first(w, a, opts, found)
	case History:
		if opts.NoHistory {
			reply(w, http.StatusMethodNotAllowed, exporttest.Outcome("not-supported", "no history"))
			return
		}
		s.first(w, a, opts, history(opts, a, parts[0]))
	case Page:
		s.page(w, a, opts)
	default:
		reply(w, http.StatusNotFound, exporttest.Outcome("not-found", "there is nothing"))
	}
}

func reply(w http.ResponseWriter, status int, body string) {
	if strings.HasPrefix(body, "{") && w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/fhir+json; charset=utf-8")
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body) // the client went away; there is nobody to tell
}
