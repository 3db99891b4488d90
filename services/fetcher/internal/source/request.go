package source

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/stoker-fhir/stoker/pkg/outbound"
)

// StatusError is a server's answer that is no content, such as 404.
type StatusError struct {
	Code int    // of HTTP
	Says string // severities and codes of its OperationOutcome; "": none that was read
}

func (e StatusError) Error() string {
	s := strings.TrimSpace(fmt.Sprintf("the server answered %d %s", e.Code, http.StatusText(e.Code)))
	if e.Says != "" {
		s += ": " + e.Says
	}
	return s
}

// Passes reports whether an error is one that may well be over when it is asked again: no answer, or one that says so.
func Passes(err error) bool {
	status := StatusError{}
	var unanswered *outbound.Unanswered
	return errors.As(err, &status) && passes(status.Code) || errors.As(err, &unanswered) || errors.Is(err, ErrCut) || errors.Is(err, ErrChanged)
}

// get makes a request for what is to be read from the offset.
func (s *httpStream) get() (*http.Response, error) {
	if s.cfg.Pace != nil {
		if err := s.cfg.Pace(s.ctx); err != nil {
			return nil, err
		}
	}
	resp, err := s.web.Do(s.ctx, s.request())
	var unanswered *outbound.Unanswered
	if errors.As(err, &unanswered) {
		return nil, &failure{err: err}
	}
	return resp, err
}

func (s *httpStream) request() outbound.Request {
	header := http.Header{}
	header.Set("Accept", s.accept)
	if s.prefer != "" {
		header.Set("Prefer", s.prefer)
	}
	if condition := s.v.condition(); s.offset > 0 && condition != "" {
		header.Set("Range", fmt.Sprintf("bytes=%d-", s.offset))
		header.Set("If-Range", condition)
	}
	if s.offset == 0 {
		s.unless.conditions(header)
	}
	secret := s.headers(s.url)
	if s.account != nil {
		secret = s.account.Sign(s.url, s.cfg.Now())
		if tag := s.pinned(); tag != "" {
			header.Set("If-Match", tag) // not all stores know If-Range
		}
	}
	return outbound.Request{URL: s.url, Header: header, Secret: secret, Anonymous: s.anonymous, MaxBody: s.maxBody}
}

// readable reports whether content encoded so can be read: what is compressed is told by its
// bytes, here as in a file.
func readable(encoding string) bool {
	encoding = strings.ToLower(strings.TrimSpace(encoding))
	// Of how an object was uploaded; some stores keep it by mistake.
	encoding = strings.Trim(strings.Replace(encoding, "aws-chunked", "", 1), ", ")
	switch encoding {
	case "", "identity", "gzip", "x-gzip", "zstd":
		return true
	default:
		return false
	}
}

// refusal is the error for an answer without content.
func refusal(resp *http.Response, now time.Time, says string) error {
	err := StatusError{Code: resp.StatusCode, Says: says}
	if passes(resp.StatusCode) {
		return &failure{err: err, after: outbound.RetryAfter(resp.Header, now)}
	}
	return err
}

// passes reports whether what a status says may be over when the request is made again.
func passes(status int) bool {
	switch status {
	case http.StatusTooManyRequests, http.StatusRequestTimeout, http.StatusTooEarly:
		return true
	default:
		return status >= 500
	}
}

// contentRange reads "bytes 5-9/10"; size is -1 where it is "*". Of "bytes */10" first is -1.
func contentRange(value string) (first, size int64, ok bool) {
	value, ok = strings.CutPrefix(value, "bytes ")
	part, total, found := strings.Cut(value, "/")
	if !ok || !found {
		return 0, 0, false
	}
	first, size = -1, -1
	var err error
	if total != "*" {
		if size, err = strconv.ParseInt(total, 10, 64); err != nil || size < 0 {
			return 0, 0, false
		}
	}
	if part != "*" {
		from, _, _ := strings.Cut(part, "-")
		if first, err = strconv.ParseInt(from, 10, 64); err != nil || first < 0 {
			return 0, 0, false
		}
	}
	return first, size, true
}

// brokenOff is the error for an answer that began well. What broke off, went silent, or ended
// before the content did, may go on.
func brokenOff(err error) error {
	var unanswered *outbound.Unanswered
	switch {
	case errors.Is(err, io.EOF):
		return &failure{err: errors.New("the answer ended before the content")}
	case errors.Is(err, outbound.ErrIdle), errors.As(err, &unanswered):
		return &failure{err: err}
	default:
		return err
	}
}
