package api

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"

	"github.com/rs/zerolog"

	"github.com/stoker-fhir/stoker/pkg/bus"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/journal"
	"github.com/stoker-fhir/stoker/pkg/ledger"
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
	SpoolDir string
	Log      zerolog.Logger
}

// Handler returns the interface, to be mounted at the root; other is what serves the paths
// that are not the interface's, such as health and metrics.
func (s *Server) Handler(other http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /imports", s.create)
	mux.HandleFunc("GET /imports", s.list)
	mux.HandleFunc("GET /imports/{id}", s.status)
	mux.HandleFunc("POST /imports/{id}/cancel", s.cancel)
	mux.HandleFunc("POST /imports/{id}/pause", s.pause)
	mux.HandleFunc("POST /imports/{id}/resume", s.resume)
	mux.HandleFunc("POST /imports/{id}/retry", s.retry)
	mux.HandleFunc("POST /imports/{id}/discard", s.discard)
	mux.HandleFunc("PUT /datasets/{dataset}/history", s.setHistory)
	mux.HandleFunc("GET /imports/{id}/rejects", s.rejects)
	mux.HandleFunc("GET /imports/{id}/issues", s.issues)
	mux.HandleFunc("GET /datasets/{dataset}/{type}/{id}", s.trace)
	mux.HandleFunc("POST /replays", s.replay)
	mux.HandleFunc("POST /restore", s.restore)
	mux.HandleFunc("GET /replays", s.replays)
	mux.HandleFunc("GET /replays/{id}", s.replayStatus)
	mux.HandleFunc("POST /replays/{id}/cancel", s.cancelReplay)
	mux.HandleFunc("GET /datasets", s.datasets)
	mux.HandleFunc("POST /datasets/{dataset}/swap", s.swap)
	mux.HandleFunc("DELETE /datasets/{dataset}", s.drop)
	mux.HandleFunc("GET /streams", s.streams)
	mux.HandleFunc("PUT /spool", s.spool)
	mux.HandleFunc("GET /pressure", s.pressure)
	mux.HandleFunc("POST /types/{type}/pause", s.pauseType)
	mux.HandleFunc("POST /types/{type}/resume", s.resumeType)
	mux.Handle("/", other)
	return localOnly(http.NewCrossOriginProtection().Handler(mux))
}

// localOnly refuses requests that came under a foreign name, as by DNS rebinding, to a
// server that listens on a loopback address.
func localOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
		if isLoopback(local) && !isLoopbackName(r.Host) {
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
	default:
		s.Log.Error().Err(err).Msg("cannot answer")
		fail(w, http.StatusServiceUnavailable, errors.New("the ledger cannot be read at the moment; see the log"))
	}
}
