package api

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strings"
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

	rates    *rates
	endpoint *smart.Endpoint
	tus      holders
	reports  int64 // OperationOutcomes in a file about a submission; 0: as many as by default
}

// Handler returns the interface, to be mounted at the root; other is what serves the paths
// that are not the interface's, such as health and metrics.
func (s *Server) Handler(other http.Handler) http.Handler {
	s.rates = newRates(time.Now)
	s.endpoint = s.newEndpoint()
	mux := http.NewServeMux()
	for _, route := range s.routes() {
		handle := route.handle
		if strings.HasPrefix(route.pattern, http.MethodPost+" ") && !route.unkeyed {
			handle = s.keyed(handle)
		}
		mux.HandleFunc(route.pattern, s.allow(route.who, handle))
	}
	mux.HandleFunc(fhirBase+"/", func(w http.ResponseWriter, _ *http.Request) {
		fail(w, http.StatusNotFound, errors.New("this is not offered here; GET "+fhirBase+"/metadata tells what is"))
	})
	mux.Handle("/", other)
	return s.paceBodies(withOutcomes(s.localOnly(http.NewCrossOriginProtection().Handler(mux))))
}

// route is a part of the interface.
type route struct {
	pattern string
	who     access
	handle  http.HandlerFunc
	unkeyed bool // of a POST: an Idempotency-Key does not repeat its answer
}

func (s *Server) routes() []route {
	return []route{
		{pattern: "POST /imports", who: anyone, handle: s.create},
		{pattern: "GET /imports", who: anyone, handle: s.list},
		{pattern: "GET /imports/{id}", who: anyone, handle: s.status},
		{pattern: "POST /imports/{id}/cancel", who: anyone, handle: s.cancel},
		{pattern: "POST /imports/{id}/pause", who: anyone, handle: s.pause},
		{pattern: "POST /imports/{id}/resume", who: anyone, handle: s.resume},
		{pattern: "POST /imports/{id}/retry", who: anyone, handle: s.retry},
		{pattern: "POST /imports/{id}/discard", handle: s.discard},
		{pattern: "POST /imports/{id}/snapshot", handle: s.confirmSnapshot},
		{pattern: "GET /imports/{id}/rejects", who: anyone, handle: s.rejects},
		{pattern: "GET /imports/{id}/issues", who: anyone, handle: s.issues},
		{pattern: "PUT /spool", who: anyone, handle: s.spool},
		{pattern: "GET /suppliers", handle: s.suppliers},
		{pattern: "POST /suppliers", handle: s.addSupplier},
		{pattern: "GET /suppliers/{name}", who: anyone, handle: s.supplier},
		{pattern: "DELETE /suppliers/{name}", handle: s.removeSupplier},
		{pattern: "POST /suppliers/{name}/tokens", handle: s.addToken, unkeyed: true},
		{pattern: "PUT /suppliers/{name}/files/{file}", who: anyone, handle: s.putFile},
		{pattern: "GET /suppliers/{name}/deliveries/{delivery}", who: anyone, handle: s.delivery},
		{pattern: "DELETE /suppliers/{name}/deliveries/{delivery}", who: anyone, handle: s.removeDelivery},
		{pattern: "POST /suppliers/{name}/deliveries/{delivery}/complete", who: anyone, handle: s.completeDelivery},
		{pattern: "OPTIONS /suppliers/{name}/uploads", who: anyone, handle: s.tusOptions},
		{pattern: "POST /suppliers/{name}/uploads", who: anyone, handle: s.tusCreate},
		{pattern: "HEAD /suppliers/{name}/uploads/{upload}", who: anyone, handle: s.tusHead},
		{pattern: "PATCH /suppliers/{name}/uploads/{upload}", who: anyone, handle: s.tusPatch},
		{pattern: "DELETE /suppliers/{name}/uploads/{upload}", who: anyone, handle: s.tusDelete},
		{pattern: "POST /suppliers/{name}/uploads/{upload}", who: anyone, handle: s.tusOverride, unkeyed: true},
		{pattern: "POST /fhir/{dataset}", who: anyone, handle: s.postResource, unkeyed: true}, // keyed by itself: bodies may be larger
		{pattern: "POST /buckets/events", who: anyone, handle: s.bucketEvents},
		{pattern: "GET /syncs", handle: s.syncs},
		{pattern: "POST /syncs", handle: s.addSync},
		{pattern: "GET /syncs/{name}", handle: s.sync},
		{pattern: "DELETE /syncs/{name}", handle: s.removeSync},
		{pattern: "POST /syncs/{name}/run", handle: s.runSync},
		{pattern: "POST /syncs/{name}/pause", handle: s.pauseSync},
		{pattern: "POST /syncs/{name}/resume", handle: s.resumeSync},
		{pattern: "GET /datasets", handle: s.datasets},
		{pattern: "DELETE /datasets/{dataset}", handle: s.drop},
		{pattern: "POST /datasets/{dataset}/swap", handle: s.swap},
		{pattern: "PUT /datasets/{dataset}/history", handle: s.setHistory},
		{pattern: "GET /datasets/{dataset}/{type}/{id}", handle: s.trace},
		{pattern: "POST /replays", handle: s.replay},
		{pattern: "GET /replays", handle: s.replays},
		{pattern: "GET /replays/{id}", handle: s.replayStatus},
		{pattern: "POST /replays/{id}/cancel", handle: s.cancelReplay},
		{pattern: "POST /restore", handle: s.restore},
		{pattern: "GET /streams", handle: s.streams},
		{pattern: "GET /pressure", handle: s.pressure},
		{pattern: "POST /types/{type}/pause", handle: s.pauseType},
		{pattern: "POST /types/{type}/resume", handle: s.resumeType},
		{pattern: "POST " + tokenPath, who: everybody, handle: s.token, unkeyed: true}, // its answer is kept nowhere
		{pattern: "GET " + configurationPath, who: everybody, handle: s.smartConfiguration},
		{pattern: "GET " + fhirBase + configurationPath, who: everybody, handle: s.smartConfiguration},
		{pattern: "GET " + fhirBase + "/{dataset}" + configurationPath, who: everybody, handle: s.smartConfiguration},
		{pattern: "GET " + fhirBase + "/metadata", who: everybody, handle: s.fhirMetadata},
		{pattern: "GET " + fhirBase + "/{dataset}/metadata", who: everybody, handle: s.fhirMetadata},
		{pattern: "POST " + fhirBase + "/$import", who: anyone, handle: s.fhirImport},
		{pattern: "POST " + fhirBase + "/{dataset}/$import", who: anyone, handle: s.fhirImport},
		{pattern: "GET " + statusPath + "{id}", who: anyone, handle: s.fhirStatus},
		{pattern: "DELETE " + statusPath + "{id}", who: anyone, handle: s.fhirRemove},
		{pattern: "GET " + outcomePath + "{id}/{file}", who: anyone, handle: s.fhirOutcome},
		{pattern: "POST " + fhirBase + "/$bulk-submit", who: anyone, handle: s.bulkSubmit},
		{pattern: "POST " + fhirBase + "/{dataset}/$bulk-submit", who: anyone, handle: s.bulkSubmit},
		{pattern: "POST " + fhirBase + "/$bulk-submit-status", who: anyone, handle: s.bulkSubmitStatus},
		{pattern: "POST " + fhirBase + "/{dataset}/$bulk-submit-status", who: anyone, handle: s.bulkSubmitStatus},
		{pattern: "GET " + submitStatusPath + "{id}", who: anyone, handle: s.submissionStatus},
		{pattern: "DELETE " + submitStatusPath + "{id}", who: anyone, handle: s.removeSubmissionStatus},
		{pattern: "GET " + submitOutcomePath + "{id}/{import}/{file}", who: anyone, handle: s.submissionOutcome},
	}
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
	default:
		s.Log.Error().Err(err).Msg("cannot answer")
		fail(w, http.StatusServiceUnavailable, errors.New("the ledger cannot be read at the moment; see the log"))
	}
}

// uncancelled is the context of what is done whether the client still waits or not.
func uncancelled(r *http.Request) context.Context { return context.WithoutCancel(r.Context()) }
