package export

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/stoker-fhir/stoker/pkg/outbound"
)

// Site is the server that is asked.
type Site interface {
	URL() *url.URL   // where an export is asked for
	HasPolicy() bool // which says what URLs may be asked for
	Do(ctx context.Context, r outbound.Request) (*http.Response, error)
}

// maxBody is how much of an answer is read.
const maxBody = 256 << 10

// answer is what a server said.
type answer struct {
	status  int
	header  http.Header
	at      *url.URL // that answered
	outcome *outcome // nil: none that can be read
	after   time.Duration
}

// ask makes a request. An error is one of no answer.
func (c Client) ask(ctx context.Context, r outbound.Request) (answer, error) {
	resp, err := c.Site.Do(ctx, r)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close() //nolint:errcheck // only read from
	a := answer{status: resp.StatusCode, header: resp.Header, at: resp.Request.URL, after: outbound.RetryAfter(resp.Header, c.Now())}
	if a.status == http.StatusOK {
		if told, err := strconv.Atoi(resp.Header.Get("X-Export-Status")); err == nil {
			a.status = told
		}
	}
	if a.status >= http.StatusBadRequest {
		if content, err := io.ReadAll(io.LimitReader(resp.Body, maxBody)); err == nil || len(content) > 0 {
			a.outcome = readOutcome(content)
		}
	}
	return a, nil
}

// fate is what an answer that is no success means.
type fate int

const (
	refused fate = iota // and will be again
	busy                // the server asks to wait
	passing             // may well be another the next time
	unsure              // mostly stays, but may pass: asked again a few times
)

func (a answer) fate() fate {
	switch {
	case a.status == http.StatusTooManyRequests:
		return busy
	case a.outcome != nil && a.outcome.passes():
		return passing
	case a.status == http.StatusBadGateway, a.status == http.StatusServiceUnavailable, a.status == http.StatusGatewayTimeout,
		a.status == http.StatusRequestTimeout, a.status == http.StatusTooEarly:
		return passing
	case a.status >= http.StatusInternalServerError && a.outcome == nil && a.status != http.StatusNotImplemented:
		return passing
	case a.status == http.StatusUnauthorized:
		return unsure // a token that ended a moment ago
	default:
		return refused
	}
}

// says is an answer for people.
func (a answer) says() string {
	s := "the server answered " + strconv.Itoa(a.status)
	if text := http.StatusText(a.status); text != "" {
		s += " " + text
	}
	if a.outcome != nil {
		if text := a.outcome.String(); text != "" {
			s += ": " + text
		}
	}
	return s
}

// mayPass reports whether a request that was not answered may be the next time.
func mayPass(err error) bool {
	var unanswered *outbound.Unanswered
	return errors.As(err, &unanswered)
}
