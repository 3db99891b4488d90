package api

import (
	"errors"
	"net/http"
	"time"

	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/smart"
)

const (
	tokenPath         = "/auth/token"
	configurationPath = "/.well-known/smart-configuration"
)

// newEndpoint is where suppliers get access tokens.
func (s *Server) newEndpoint() *smart.Endpoint {
	return &smart.Endpoint{
		Ledger: s.Ledger, Keys: &smart.KeySets{HTTP: s.HTTP}, Log: s.Log,
		Admit: func(declared ledger.Supplier) (time.Duration, bool) { return s.rates.take(caller{supplier: &declared}) },
	}
}

// tokenURL is the URL of the token endpoint, for which assertions are made. Without a public URL there is one for this machine
// only: else whoever asks could say by the header Host which URL it is, and an assertion for another server would be good here.
func (s *Server) tokenURL(r *http.Request) (url string, ok bool) {
	if s.PublicURL == "" && !isLoopbackName(r.Host) {
		return "", false
	}
	return s.absolute(r, tokenPath), true
}

var errNoTokens = errors.New("tokens are given here only if STOKER_PUBLIC_URL says what this server's URL is")

// token gives a supplier an access token (SMART Backend Services).
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	url, ok := s.tokenURL(r)
	if !ok {
		fail(w, http.StatusNotFound, errNoTokens)
		return
	}
	s.endpoint.ServeToken(w, r, url)
}

// smartConfiguration tells where tokens are given.
func (s *Server) smartConfiguration(w http.ResponseWriter, r *http.Request) {
	url, ok := s.tokenURL(r)
	if !ok {
		fail(w, http.StatusNotFound, errNoTokens)
		return
	}
	reply(w, http.StatusOK, smart.Configuration(url))
}
