package smart

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/stoker-fhir/stoker/pkg/config"
	"github.com/stoker-fhir/stoker/pkg/outbound"
	"github.com/stoker-fhir/stoker/pkg/supplier"
)

// Scopes that are asked for where none is configured, in turn: some servers know one way to say it, some the other.
var scopes = []string{ScopeRead, "system/*.rs"}

// failedFor is how long a server that refused a token is not asked again. What is fetched may be many files.
const failedFor = 30 * time.Second

// Tokens gets access tokens from a supplier's server, and keeps the last one until shortly before it expires. It may be used
// by several goroutines.
type Tokens struct {
	HTTP     outbound.Config
	Policy   *outbound.Policy  // of the supplier; nil: any URL may be asked
	Supplier supplier.Supplier // with FetchOAuth
	Metadata []string          // URLs of metadata that name the token endpoint; none: as the server at base says
	Key      config.Secret     // private key, where the supplier names no file
	Now      func() time.Time  // nil: the clock

	busy     chan struct{} // guards what follows
	endpoint string        // as discovered
	token    string
	before   string // the token before this one
	renew    time.Time
	err      error // of the last time, until retry
	retry    time.Time
}

// NewTokens prepares to get tokens. Nothing is read or asked before the first one is needed.
func NewTokens(t Tokens) *Tokens {
	t.busy = make(chan struct{}, 1)
	return &t
}

// Credentials are the tokens, for the URLs that they are for and no others.
func (t *Tokens) Credentials() (list []outbound.Credential) {
	for _, prefix := range t.Supplier.TokenFor() {
		list = append(list, outbound.Credential{Prefix: prefix, Header: "Authorization", Value: t.value, Forget: t.forget})
	}
	return list
}

// Token returns a token that is good for now. Errors hold no secret; an [outbound.Unanswered] may go away by itself.
func (t *Tokens) Token(ctx context.Context) (string, error) {
	select {
	case t.busy <- struct{}{}:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	defer func() { <-t.busy }()
	now := t.now()
	switch {
	case t.token != "" && now.Before(t.renew):
		return t.token, nil
	case t.err != nil && now.Before(t.retry):
		return "", t.err
	}
	text, life, err := t.get(ctx)
	var unanswered *outbound.Unanswered
	switch {
	case err != nil && !errors.As(err, &unanswered) && ctx.Err() == nil:
		t.err, t.retry = err, t.now().Add(failedFor)
		return "", err
	case err != nil:
		return "", err
	}
	if t.token != "" {
		t.before = t.token
	}
	t.token, t.err = text, nil
	// Before its end, so that a request that is on its way then is still answered.
	t.renew = t.now().Add(life - min(life/4, time.Minute))
	return t.token, nil
}

func (t *Tokens) value(ctx context.Context) (string, error) {
	text, err := t.Token(ctx)
	if err != nil {
		return "", fmt.Errorf("access token: %w", err)
	}
	return "Bearer " + text, nil
}

// forget gives up a token that was not accepted. It reports whether another one will be tried.
func (t *Tokens) forget(value string) bool {
	t.busy <- struct{}{} // not for long: who holds it has a context
	defer func() { <-t.busy }()
	text, ok := strings.CutPrefix(value, "Bearer ")
	if ok && text != "" && text == t.token {
		t.before, t.token = t.token, ""
	}
	return ok && text != "" && text == t.before // by this request or another one
}

func (t *Tokens) now() time.Time {
	if t.Now == nil {
		return time.Now()
	}
	return t.Now()
}

// get asks for a new token.
func (t *Tokens) get(ctx context.Context) (token string, life time.Duration, err error) {
	key, err := t.key()
	if err != nil {
		return "", 0, err
	}
	o := t.Supplier.FetchOAuth
	web, err := outbound.New(t.HTTP, allowAlso(t.Policy, t.Supplier.Base, o.TokenURL))
	if err != nil {
		return "", 0, err
	}
	defer web.Close()
	tokenURL := o.TokenURL
	if tokenURL == "" {
		if tokenURL, err = t.discovered(ctx, web); err != nil {
			return "", 0, err
		}
	}
	wanted := scopes
	if o.Scope != "" {
		wanted = []string{o.Scope}
	}
	for _, scope := range wanted {
		token, life, err = t.ask(ctx, web, key, tokenURL, scope)
		if refused := (refusal{}); !errors.As(err, &refused) || refused.code != "invalid_scope" {
			break
		}
	}
	if err != nil && o.TokenURL == "" {
		t.endpoint = "" // it may be elsewhere by now
	}
	return token, life, err
}

// key reads the private key, each time, so that it can be replaced.
func (t *Tokens) key() (PrivateKey, error) {
	o, text := t.Supplier.FetchOAuth, []byte(t.Key.Reveal())
	switch {
	case o.KeyFile != "":
		var err error
		if text, err = os.ReadFile(o.KeyFile); err != nil {
			if pathErr := (*fs.PathError)(nil); errors.As(err, &pathErr) {
				err = pathErr.Err // the supplier sees why its files failed, and need not see where keys are
			}
			return PrivateKey{}, fmt.Errorf("private key: key_file: %w", err)
		}
	case len(text) == 0:
		return PrivateKey{}, errors.New("private key: there is none; name one as key_file, or set STOKER_FETCHER_OAUTH_KEY")
	}
	return ReadPrivateKey(text, o.KeyID)
}

// discovered is the token endpoint that the metadata name, or the server at base.
func (t *Tokens) discovered(ctx context.Context, web *outbound.Client) (string, error) {
	if t.endpoint == "" {
		from, found, err := t.discover(ctx, web)
		if err != nil {
			return "", fmt.Errorf("discovery: %w", err)
		}
		if downgrades(from, found) {
			return "", errors.New("discovery: the server is reached by https and names a token endpoint that is not")
		}
		if len(t.Metadata) > 0 { // the others are checked where the supplier is declared, or said by who runs a command
			if err := t.Supplier.CheckTrusted(found); err != nil {
				return "", fmt.Errorf("discovery: the token endpoint: %w", err)
			}
		}
		t.endpoint = found
	}
	return t.endpoint, nil
}

// discover asks where tokens are given, and returns who said so.
func (t *Tokens) discover(ctx context.Context, web *outbound.Client) (from, tokenURL string, err error) {
	if len(t.Metadata) > 0 {
		return discoverBy(ctx, web, t.Metadata, t.Supplier.CheckTrusted)
	}
	tokenURL, err = discover(ctx, web, t.Supplier.Base)
	return t.Supplier.Base, tokenURL, err
}

// ask makes one request for a token.
func (t *Tokens) ask(ctx context.Context, web *outbound.Client, key PrivateKey, tokenURL, scope string) (token string, life time.Duration, err error) {
	u, err := outbound.ParseURL(tokenURL)
	if err != nil {
		return "", 0, fmt.Errorf("token_url: %w", err)
	}
	signed, err := key.assert(t.Supplier.FetchOAuth.ClientID, tokenURL, t.now())
	if err != nil {
		return "", 0, err
	}
	form := url.Values{
		"grant_type": {grantType}, "scope": {scope}, "client_assertion_type": {assertionType}, "client_assertion": {signed},
	}
	got, err := ask(ctx, web, outbound.Request{
		Method: http.MethodPost, URL: u, Body: []byte(form.Encode()), MaxBody: maxTokenAnswer,
		Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {"application/json"}},
	})
	switch {
	case err != nil:
		return "", 0, fmt.Errorf("token endpoint: %w", err)
	case again(got.status):
		return "", 0, outbound.NewUnanswered(fmt.Sprintf("the token endpoint answered %d", got.status))
	case got.status != http.StatusOK && got.status != http.StatusCreated: // which some answer
		return "", 0, readRefusal(got.status, got.body)
	}
	return readToken(got.body)
}
