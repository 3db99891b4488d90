package api

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/smart"
	"github.com/stoker-fhir/stoker/pkg/supplier"
)

// Auth says who may ask. The zero Auth knows suppliers by their tokens, and takes whoever asks from
// this machine without one for the operator.
type Auth struct {
	TokensOnly    bool   // nobody is the operator for asking from this machine
	OperatorToken string // the hash of a token that operators have, see [supplier.HashOf]; "": there is none
}

// caller is who asks: an operator, or a supplier by whichever of its tokens. The zero caller is nobody.
type caller struct {
	operator bool
	supplier *ledger.Supplier // where it is not an operator
	onlySees bool             // by the scope of its token
}

func (c caller) isOperator() bool { return c.operator }
func (c caller) isNobody() bool   { return !c.operator && c.supplier == nil }

// name is the supplier's, and "" for operators. Nobody's is one that no supplier can have.
func (c caller) name() string {
	switch {
	case c.operator:
		return ""
	case c.supplier == nil:
		return "(nobody)"
	default:
		return c.supplier.Name
	}
}

type callerKey struct{}

// callerOf returns who asks: nobody, in a handler that is for everybody.
func callerOf(r *http.Request) caller {
	c, _ := r.Context().Value(callerKey{}).(caller)
	return c
}

// access says who may use a part of the interface.
type access uint8

const (
	operators access = iota
	anyone           // suppliers too, for what is theirs
	everybody        // without a token too
)

var (
	errNoToken    = errors.New("a token is needed: send it as Authorization: Bearer TOKEN (stoker: set STOKER_TOKEN)")
	errWrongToken = errors.New("the token is not known, or has expired")
)

// allow lets those in who may, and tells the handler who they are.
func (s *Server) allow(who access, handle http.HandlerFunc) http.HandlerFunc {
	if who == everybody {
		return func(w http.ResponseWriter, r *http.Request) { handle(s.paceAnswer(w), r) }
	}
	return func(w http.ResponseWriter, r *http.Request) {
		c, err := s.identify(r)
		if err == nil && c.isNobody() {
			err = errNoToken
		}
		switch {
		case errors.Is(err, errNoToken), errors.Is(err, errWrongToken):
			challenge := `Bearer realm="stoker"`
			if errors.Is(err, errWrongToken) {
				challenge += `, error="invalid_token"` // RFC 6750, section 3.1
			}
			w.Header().Set("WWW-Authenticate", challenge)
			fail(w, http.StatusUnauthorized, err)
			return
		case err != nil:
			s.failLedger(w, err)
			return
		case who == operators && !c.isOperator():
			fail(w, http.StatusForbidden, errors.New("this is for operators; the token is a supplier's"))
			return
		case c.onlySees && !onlyLooks(r.Method):
			w.Header().Set("WWW-Authenticate", `Bearer realm="stoker", error="insufficient_scope", scope="`+smart.ScopeWrite+`"`)
			fail(w, http.StatusForbidden, errors.New("the scope of the token allows no more than to look; ask for one with "+smart.ScopeWrite))
			return
		}
		if wait, ok := s.rates.take(c); !ok {
			tooMany(w, int(wait.Seconds())+1, "more requests a minute than the supplier's policy allows")
			return
		}
		if !c.isOperator() { // who may look at a list for as long as it takes
			w = s.paceAnswer(w)
		}
		handle(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, c)))
	}
}

// identify finds out who asks. Errors: errNoToken, errWrongToken, and those of the ledger.
func (s *Server) identify(r *http.Request) (caller, error) {
	header := r.Header.Get("Authorization")
	if header == "" {
		if s.Auth.TokensOnly || !isLocal(r) {
			return caller{}, errNoToken
		}
		return caller{operator: true}, nil
	}
	scheme, token, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return caller{}, errWrongToken
	}
	token = strings.TrimSpace(token)
	if s.Auth.OperatorToken != "" && supplier.Matches(token, s.Auth.OperatorToken) {
		return caller{operator: true}, nil
	}
	if smart.IsAccessToken(token) {
		return s.identifyAccess(r.Context(), token)
	}
	name, ok := supplier.TokenName(token)
	if !ok {
		return caller{}, errWrongToken
	}
	declared, err := s.Ledger.Supplier(r.Context(), name)
	switch {
	case errors.Is(err, ledger.ErrNoSupplier):
		return caller{}, errWrongToken
	case err != nil:
		return caller{}, err
	case declared.Removed != nil, !declared.Accepts(token):
		return caller{}, errWrongToken
	}
	return caller{supplier: &declared}, nil
}

// identifyAccess finds out whose access token one is.
func (s *Server) identifyAccess(ctx context.Context, token string) (caller, error) {
	declared, scope, err := s.Ledger.AccessToken(ctx, supplier.HashOf(token))
	switch {
	case errors.Is(err, ledger.ErrNoToken):
		return caller{}, errWrongToken
	case err != nil:
		return caller{}, err
	}
	return caller{supplier: &declared, onlySees: !smart.MayDeliver(scope)}, nil
}

func onlyLooks(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// isLocal reports whether a request was made on this machine. One that a proxy passed on was not,
// as far as anybody can tell.
func isLocal(r *http.Request) bool {
	for _, h := range []string{"Forwarded", "X-Forwarded-For", "Via"} {
		if r.Header.Get(h) != "" {
			return false
		}
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	ip := net.ParseIP(host)
	return err == nil && ip != nil && ip.IsLoopback()
}

// tooMany answers that the same request may succeed after some seconds (RFC 6585, section 4).
func tooMany(w http.ResponseWriter, seconds int, why string) {
	w.Header().Set("Retry-After", strconv.Itoa(seconds))
	fail(w, http.StatusTooManyRequests, errors.New(why))
}

// ownImport reads the id of the path. An import of another supplier is not there: that it exists
// is nobody else's business. ok is false when an answer was given.
func (s *Server) ownImport(w http.ResponseWriter, r *http.Request) (id fhirmsg.ImportID, ok bool) {
	if id, ok = importID(w, r); !ok {
		return id, false
	}
	c := callerOf(r)
	if c.isOperator() {
		return id, true
	}
	name, err := s.Ledger.SupplierOf(r.Context(), id)
	if err == nil && name != c.name() {
		err = ledger.ErrNotFound
	}
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		fail(w, http.StatusNotFound, ledger.ErrNotFound)
		return id, false
	case err != nil:
		s.failLedger(w, err)
		return id, false
	}
	return id, true
}

// supplierOf is who an import is delivered by: the caller, or whom an operator names.
func (c caller) supplierOf(req fhirmsg.ImportRequest) string {
	if !c.isOperator() {
		return c.name()
	}
	return cmp.Or(req.Supplier, fhirmsg.DefaultSupplier)
}
