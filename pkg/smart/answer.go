package smart

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/stoker-fhir/stoker/pkg/outbound"
)

// reply is what a server answered, read to its end.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// ask makes a request and reads the whole answer, which the client's policy or the request limits.
func ask(ctx context.Context, web *outbound.Client, r outbound.Request) (reply, error) {
	resp, err := web.Do(ctx, r)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close() //nolint:errcheck // only read from
	body, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, body}, err
}

// again reports whether the same request may succeed later.
func again(status int) bool {
	return status == http.StatusTooManyRequests || status == http.StatusRequestTimeout || status >= 500
}

// refusal is what a token endpoint answers instead of a token (RFC 6749, section 5.2).
type refusal struct {
	status int
	code   string // one that the specification has, or ""
}

func (r refusal) Error() string {
	if r.code == "" {
		return fmt.Sprintf("the token endpoint answered %d", r.status)
	}
	return fmt.Sprintf("the token endpoint answered %d %s", r.status, r.code)
}

// codes are errors of token endpoints; others are not repeated.
var codes = []string{"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope"}

func readRefusal(status int, body []byte) refusal {
	var e struct {
		Code string `json:"error"`
	}
	if json.Unmarshal(body, &e) != nil || !slices.Contains(codes, e.Code) {
		e.Code = ""
	}
	return refusal{status, e.Code}
}

// Limits on tokens of servers.
const (
	maxToken    = 16 << 10 // bytes
	defaultLife = 5 * time.Minute
	leastLife   = 10 * time.Second
	mostLife    = 24 * time.Hour
)

// readToken reads the answer with a token. Some servers send expires_in as text, or leave it out.
func readToken(body []byte) (token string, life time.Duration, err error) {
	var a struct {
		Token     string          `json:"access_token"`
		Type      string          `json:"token_type"`
		ExpiresIn json.RawMessage `json:"expires_in"`
	}
	if err := json.Unmarshal(body, &a); err != nil {
		return "", 0, errors.New("the token endpoint's answer cannot be read")
	}
	switch {
	case a.Type != "" && !strings.EqualFold(a.Type, "bearer"):
		return "", 0, errors.New("the token endpoint's token is not a bearer token")
	case a.Token == "" || len(a.Token) > maxToken || strings.ContainsFunc(a.Token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "", 0, errors.New("the token endpoint's answer has no token that can be used")
	}
	life = defaultLife
	var seconds float64
	if text := strings.Trim(string(a.ExpiresIn), `"`); text != "" && json.Unmarshal([]byte(text), &seconds) == nil {
		life = time.Duration(min(max(seconds, 0), mostLife.Seconds()) * float64(time.Second))
	}
	return a.Token, max(life, leastLife), nil
}
