package api

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/stoker-fhir/stoker/pkg/bus"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/journal"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/outbound"
	"github.com/stoker-fhir/stoker/pkg/smart"
	"github.com/stoker-fhir/stoker/services/allinone/internal/inbox"
	"github.com/stoker-fhir/stoker/services/allinone/internal/submission"
	"github.com/stoker-fhir/stoker/services/writer"
	"github.com/stoker-fhir/stoker/services/writer/operate"
)

// Server answers requests.
type Server struct {
	Bus      *bus.Bus
	Ledger   *ledger.Ledger
	Journal  journal.Journal
	Store    *writer.Reader
	Operator *operate.Operator
	Inbox    *inbox.Inbox
	Auth     Auth
	Log      zerolog.Logger

	Submissions *submission.Keeper

	PublicURL string          // of this server, as suppliers reach it; "": as they ask
	HTTP      outbound.Config // by which the keys of suppliers are fetched

	mux       *http.ServeMux
	described func() ([]byte, error) // the OpenAPI document
	rates     *rates
	endpoint  *smart.Endpoint
	tus       holders
	reporting chan struct{} // has the report that is being made
	summing   chan struct{} // has the sums that are being made
	reports   int64         // OperationOutcomes in a file about a submission; 0: as many as by default
	queueFor  time.Duration // for how long a request waits for the queue; 0: as by default
	sumsFor   time.Duration // for how long one waits for sums; 0: as by default
}

// Handler returns the interface, to be mounted at the root; other is what serves the paths
// that are not the interface's, such as health and metrics.
func (s *Server) Handler(other http.Handler) http.Handler {
	s.rates = newRates(time.Now)
	s.endpoint = s.newEndpoint()
	s.reporting = make(chan struct{}, 1)
	s.summing = make(chan struct{}, sumsAtOnce)
	s.described = sync.OnceValues(OpenAPI)
	s.mux = http.NewServeMux()
	for _, route := range s.routes() {
		handle := route.handle
		if handle == nil {
			continue
		}
		if route.isKeyed() {
			handle = s.keyed(handle)
		}
		s.mux.HandleFunc(route.pattern, s.allow(route.who, handle))
	}
	s.mux.HandleFunc(fhirBase+"/", func(w http.ResponseWriter, _ *http.Request) {
		fail(w, http.StatusNotFound, errors.New("this is not offered here; GET "+fhirBase+"/metadata tells what is"))
	})
	s.mux.Handle("/", other)
	origins := http.NewCrossOriginProtection()
	origins.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fail(w, http.StatusForbidden, errors.New("a page of another site sent this; that is not taken"))
	}))
	return s.paceBodies(withOutcomes(s.localOnly(origins.Handler(s.mux))))
}

// localOnly refuses requests that came under a foreign name, as by DNS rebinding, to a
// server that listens on a loopback address and takes those who ask there for operators.
func (s *Server) localOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
		if !s.Auth.TokensOnly && isLoopback(local) && !isLoopbackName(r.Host) {
			fail(w, http.StatusForbidden, errors.New("this server answers to local names only"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

func isLoopback(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

func isLoopbackName(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// Problem is the body of an answer that is an error.
type Problem struct {
	Error string `json:"error"`
}

func fail(w http.ResponseWriter, code int, err error) {
	reply(w, code, Problem{Error: err.Error()})
}

func reply(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body) // the client went away; there is nobody to tell
}

// importID reads the id of the path; ok is false when an answer was given.
func importID(w http.ResponseWriter, r *http.Request) (id fhirmsg.ImportID, ok bool) {
	id, err := fhirmsg.ParseImportID(r.PathValue("id"))
	if err != nil {
		fail(w, http.StatusBadRequest, err)
		return id, false
	}
	return id, true
}

// failLedger answers with what an error of the ledger means.
func (s *Server) failLedger(w http.ResponseWriter, err error) {
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		fail(w, http.StatusNotFound, err)
	case errors.Is(err, ledger.ErrState):
		fail(w, http.StatusConflict, err)
	case errors.Is(err, errSums):
		s.Log.Warn().Err(err).Msg("sums of an import were given up")
		fail(w, http.StatusServiceUnavailable, errSums)
	default:
		s.Log.Error().Err(err).Msg("cannot answer")
		fail(w, http.StatusServiceUnavailable, errors.New("the ledger cannot be read at the moment; see the log"))
	}
}

// uncancelled is the context of what is done whether the client still waits or not.
func uncancelled(r *http.Request) context.Context { return context.WithoutCancel(r.Context()) }
