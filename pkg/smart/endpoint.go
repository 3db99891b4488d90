package smart

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/rs/zerolog"

	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/supplier"
)

// TokenLife is how long an access token is good for.
const TokenLife = 5 * time.Minute

// Endpoint gives tokens to suppliers.
type Endpoint struct {
	Ledger *ledger.Ledger
	Keys   *KeySets
	Log    zerolog.Logger

	// Admit holds a supplier that has proved who it is to its rate; nil: any. Wait is until the next request.
	Admit func(ledger.Supplier) (wait time.Duration, ok bool)
	Now   func() time.Time // nil: the clock
}

// Token is the answer to who got one (RFC 6749, section 5.1).
type Token struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int    `json:"expires_in"` // seconds
	Scope       string `json:"scope"`
}

// ServeToken answers a request for a token. The audience is the URL of this endpoint, as clients are told.
func (e *Endpoint) ServeToken(w http.ResponseWriter, r *http.Request, audience string) {
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Cache-Control", "no-store")
	header.Set("Pragma", "no-cache")
	token, err := e.token(w, r, audience)
	if err == nil {
		_ = json.NewEncoder(w).Encode(token) // the client went away; there is nobody to tell
		return
	}
	var refused *oauthError
	if !errors.As(err, &refused) {
		if r.Context().Err() == nil { // else nobody waits for it any more
			e.Log.Error().Err(err).Msg("a token cannot be given")
		}
		refused = &oauthError{Code: "temporarily_unavailable", Description: "try again", status: http.StatusServiceUnavailable, retryAfter: KeysEvery}
	}
	if refused.retryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(int(refused.retryAfter.Seconds())+1))
	}
	w.WriteHeader(refused.status)
	_ = json.NewEncoder(w).Encode(refused) // as above
}

func (e *Endpoint) token(w http.ResponseWriter, r *http.Request, audience string) (Token, error) {
	form, err := readForm(w, r)
	if err != nil {
		return Token{}, err
	}
	client, err := e.authenticate(r.Context(), form, audience)
	if err != nil {
		return Token{}, err
	}
	scope, err := grant(form["scope"])
	if err != nil {
		return Token{}, refuse("invalid_scope", err.Error())
	}
	text := newAccessToken()
	err = e.Ledger.AddAccessToken(r.Context(), ledger.AccessToken{
		Hash: supplier.HashOf(text), Supplier: client.Name, ClientID: client.ClientID, Scope: scope,
	}, TokenLife)
	if err != nil {
		return Token{}, err
	}
	return Token{AccessToken: text, TokenType: "bearer", ExpiresIn: int(TokenLife.Seconds()), Scope: scope}, nil
}

// authenticate finds out whose assertion it is, and sees to it that it is used this once.
func (e *Endpoint) authenticate(ctx context.Context, form map[string]string, audience string) (client ledger.Supplier, err error) {
	a, err := decodeAssertion(form["client_assertion"])
	if err == nil {
		err = a.check(audience, e.now())
	}
	if err == nil && form["client_id"] != "" && form["client_id"] != a.claims.Issuer {
		err = errors.New("client_id must be that of the assertion")
	}
	if err != nil {
		return client, refuse("invalid_client", err.Error())
	}
	client, err = e.Ledger.Client(ctx, a.claims.Issuer)
	switch {
	case errors.Is(err, ledger.ErrNoSupplier):
		return client, refuse("invalid_client", errSignature.Error())
	case err != nil:
		return client, err
	case a.header.KeysURL != "" && a.header.KeysURL != client.JWKSURL:
		return client, e.refused(client, errors.New("jku must be the URL that was registered, or be left out"))
	}
	keys, err := e.Keys.find(ctx, client.Supplier, a.header.KeyID, a.header.Algorithm)
	switch {
	case errors.Is(err, ErrKeys):
		e.Log.Warn().Str("supplier", client.Name).Err(err).Msg("a supplier gets no token")
		return client, &oauthError{Code: "temporarily_unavailable", Description: ErrKeys.Error(), status: http.StatusServiceUnavailable, retryAfter: KeysEvery}
	case err != nil:
		return client, err
	}
	if err := a.verify(keys); err != nil {
		return client, e.refused(client, err)
	}
	if e.Admit != nil {
		if wait, ok := e.Admit(client); !ok {
			return client, &oauthError{
				Code: "temporarily_unavailable", Description: "more requests a minute than the supplier's policy allows",
				status: http.StatusTooManyRequests, retryAfter: wait,
			}
		}
	}
	// Last, so that who is refused for its rate can come again with it, and nobody can use up what others have signed.
	first, err := e.Ledger.SpendAssertion(ctx, client.ClientID, a.claims.ID, a.expires())
	switch {
	case err != nil:
		return client, err
	case !first:
		return client, e.refused(client, errors.New("the jti was used before; make a new assertion for each token"))
	}
	return client, nil
}

// refused tells the operator, who is asked when a supplier gets no token.
func (e *Endpoint) refused(client ledger.Supplier, why error) error {
	e.Log.Info().Str("supplier", client.Name).Err(why).Msg("a supplier gets no token")
	return refuse("invalid_client", why.Error())
}

func (e *Endpoint) now() time.Time {
	if e.Now == nil {
		return time.Now()
	}
	return e.Now()
}

// Check reports why a supplier could get no token, as far as that can be known from its declaration.
func Check(s supplier.Supplier) error {
	if s.JWKS == nil {
		return nil
	}
	if _, err := ParseKeySet(s.JWKS); err != nil {
		return fmt.Errorf("jwks: %w", err)
	}
	return nil
}

// Configuration is what .well-known/smart-configuration says of an endpoint at a URL
// (https://hl7.org/fhir/smart-app-launch/conformance.html).
func Configuration(tokenURL string) map[string]any {
	return map[string]any{
		"token_endpoint":                                   tokenURL,
		"grant_types_supported":                            []string{grantType},
		"token_endpoint_auth_methods_supported":            []string{"private_key_jwt"},
		"token_endpoint_auth_signing_alg_values_supported": []string{"RS384", "ES384"},
		"scopes_supported":                                 offered,
		"capabilities":                                     []string{"client-confidential-asymmetric", "permission-v1", "permission-v2"},
	}
}
