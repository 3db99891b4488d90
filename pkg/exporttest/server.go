package exporttest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// What is asked of a server.
const (
	KickOff = "kick-off"
	Status  = "status"
	Page    = "page" // of the manifest, behind the first
	File    = "file"
	Remove  = "remove"
	Group   = "group" // who is in it
	Other   = "other"
)

// Asked is a request that was made.
type Asked struct {
	Kind, Method, Path string
	Parameters         url.Values // of a kick-off, however it was made
	Header             http.Header
	Body               string
}

// Outcome is an OperationOutcome with one issue.
func Outcome(code, diagnostics string) string {
	return `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"` + code + `","diagnostics":"` + diagnostics + `"}]}`
}

// Server is a FHIR server that exports.
type Server struct {
	URL string // its base, such as http://127.0.0.1:1234/fhir

	Recorder[Options, Asked] // files stop in their middle while it stalls them

	mu         sync.Mutex
	jobs       []*job
	generation int // of URLs of files
	cut        int // how many answers with files are cut in their middle
	halt       map[string]chan struct{}
}

// New starts a server, which ends with the test.
func New(t testing.TB, opts Options) *Server {
	t.Helper()
	s := &Server{halt: map[string]chan struct{}{}}
	s.Set(func(o *Options) { *o = opts })
	server := httptest.NewUnstartedServer(s)
	s.URL = "http://" + server.Listener.Addr().String() + "/fhir"
	server.Start()
	t.Cleanup(func() { s.Release(); server.CloseClientConnections(); server.Close() })
	return s
}

// Expire ends the URLs of files that were told so far.
func (s *Server) Expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generation++
}

// Cut has the next n answers with files broken off in their middle.
func (s *Server) Cut(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cut = n
}

// Halt has the next request of a kind not answered, and nothing done of it, until its client is gone. The channel is closed when it is there.
func (s *Server) Halt(kind string) (there <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := make(chan struct{})
	s.halt[kind] = c
	return c
}

// Jobs is how many exports were begun, and how many of them are still there.
func (s *Server) Jobs() (begun, there int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, j := range s.jobs {
		if !j.removed {
			there++
		}
	}
	return len(s.jobs), there
}

// kindOf tells requests apart by their paths.
func kindOf(r *http.Request) string {
	path := strings.TrimPrefix(r.URL.Path, "/")
	switch first, _, _ := strings.Cut(path, "/"); {
	case strings.HasSuffix(path, "/$export"):
		return KickOff
	case first == "jobs" && r.Method == http.MethodDelete:
		return Remove
	case first == "jobs" && strings.Contains(path, "/page/"):
		return Page
	case first == "jobs":
		return Status
	case first == "files":
		return File
	case strings.HasPrefix(path, "fhir/Group/") && r.Method == http.MethodGet:
		return Group
	default:
		return Other
	}
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client went away
	}
	a := Asked{Kind: kindOf(r), Method: r.Method, Path: r.URL.Path, Header: r.Header, Body: string(body)}
	if a.Kind == KickOff {
		a.Parameters = parameters(r, body)
	}
	opts, instead := s.Record(w, a.Kind, a)
	s.mu.Lock()
	generation := s.generation
	halt := s.halt[a.Kind]
	delete(s.halt, a.Kind)
	s.mu.Unlock()
	switch {
	case halt != nil:
		close(halt)
		<-r.Context().Done()
	case instead != nil:
		reply(w, instead.Status, instead.Body)
	case opts.Token != "" && a.Kind != File && r.Header.Get("Authorization") != "Bearer "+opts.Token:
		reply(w, http.StatusUnauthorized, Outcome("login", "a token is needed"))
	case a.Kind == KickOff:
		s.kickOff(w, opts, a)
	case a.Kind == Status, a.Kind == Page, a.Kind == Remove:
		s.job(w, r, opts, generation)
	case a.Kind == File:
		s.file(w, r, opts, generation)
	case a.Kind == Group:
		s.group(w, opts, strings.TrimPrefix(a.Path, "/fhir/Group/"))
	default:
		reply(w, http.StatusNotFound, Outcome("not-found", "there is nothing"))
	}
}

func reply(w http.ResponseWriter, status int, body string) {
	if strings.HasPrefix(body, "{") && w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/fhir+json")
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body) // the client went away; there is nobody to tell
}
