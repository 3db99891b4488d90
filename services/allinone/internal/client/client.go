package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/stoker-fhir/stoker/pkg/bus"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/services/allinone/internal/api"
)

// ErrNotFound is returned for an import that the other side does not know (yet).
var ErrNotFound = errors.New("no such import")

// ErrBusy is what an answer is that says to ask again later.
var ErrBusy = errors.New("ask again later")

type busyError struct{ text string }

func (e busyError) Error() string     { return e.text }
func (e busyError) Is(err error) bool { return err == ErrBusy }

// Client calls one process.
type Client struct{ base, token string }

// New makes a client of the process at a URL, which sends a bearer token if that is not "".
func New(base, token string) *Client {
	return &Client{base: strings.TrimRight(base, "/"), token: token}
}

// Import asks for an import and returns its id.
func (c *Client) Import(ctx context.Context, req fhirmsg.ImportRequest) (fhirmsg.ImportID, error) {
	body, err := req.Encode()
	if err != nil {
		return fhirmsg.ImportID{}, fmt.Errorf("encode request: %w", err)
	}
	var created api.Created
	err = c.call(ctx, http.MethodPost, "/imports", bytes.NewReader(body), &created)
	return created.Import, err
}

// Spool hands in content and returns the name to use as a source.
func (c *Client) Spool(ctx context.Context, content io.Reader) (string, error) {
	var spooled api.Spooled
	err := c.call(ctx, http.MethodPut, "/spool", io.NopCloser(content), &spooled)
	return spooled.Spool, err
}

// Status returns an import as it stands.
func (c *Client) Status(ctx context.Context, id fhirmsg.ImportID) (s ledger.Status, err error) {
	err = c.call(ctx, http.MethodGet, "/imports/"+id.String(), nil, &s)
	return s, err
}

// Progress is Status without the kinds of issues, which take a while to add up.
func (c *Client) Progress(ctx context.Context, id fhirmsg.ImportID) (s ledger.Status, err error) {
	err = c.call(ctx, http.MethodGet, "/imports/"+id.String()+"?progress=1", nil, &s)
	return s, err
}

// List returns the newest imports.
func (c *Client) List(ctx context.Context) (list []ledger.Summary, err error) {
	err = c.call(ctx, http.MethodGet, "/imports", nil, &list)
	return list, err
}

// Pause stops the fetching of an import.
func (c *Client) Pause(ctx context.Context, id fhirmsg.ImportID) error { return c.do(ctx, id, "pause") }

// Resume goes on with an import.
func (c *Client) Resume(ctx context.Context, id fhirmsg.ImportID) error {
	return c.do(ctx, id, "resume")
}

// Cancel ends an import.
func (c *Client) Cancel(ctx context.Context, id fhirmsg.ImportID) error {
	return c.do(ctx, id, "cancel")
}

// Retry asks for an import that puts the rejects of another one through again, and returns its
// id. Validation is "" for that of the other one.
func (c *Client) Retry(ctx context.Context, id fhirmsg.ImportID, validation fhirmsg.Validation) (fhirmsg.ImportID, error) {
	var created api.Created
	err := c.call(ctx, http.MethodPost, "/imports/"+id.String()+"/retry?validation="+url.QueryEscape(string(validation)), nil, &created)
	return created.Import, err
}

func (c *Client) do(ctx context.Context, id fhirmsg.ImportID, what string) error {
	return c.call(ctx, http.MethodPost, "/imports/"+id.String()+"/"+what, nil, nil)
}

// Pressure returns what holds the pipeline back.
func (c *Client) Pressure(ctx context.Context) (p bus.Pressure, err error) {
	err = c.call(ctx, http.MethodGet, "/pressure", nil, &p)
	return p, err
}

// PauseType stops the writers of a resource type, for so long; 0 is until they are resumed.
func (c *Client) PauseType(ctx context.Context, resourceType string, period time.Duration) error {
	return c.call(ctx, http.MethodPost, "/types/"+url.PathEscape(resourceType)+"/pause?for="+period.String(), nil, nil)
}

// ResumeType lets the writers of a resource type go on.
func (c *Client) ResumeType(ctx context.Context, resourceType string) error {
	return c.call(ctx, http.MethodPost, "/types/"+url.PathEscape(resourceType)+"/resume", nil, nil)
}

// Trace returns every delivery of a resource.
func (c *Client) Trace(ctx context.Context, dataset, resourceType, id string) (t api.Trace, err error) {
	path := "/datasets/" + url.PathEscape(dataset) + "/" + url.PathEscape(resourceType) + "/" + url.PathEscape(id)
	err = c.call(ctx, http.MethodGet, path, nil, &t)
	return t, err
}

// Rejects copies an import's rejects to w: OperationOutcome, or the lines as they came. Open is without those
// that were resolved since.
func (c *Client) Rejects(ctx context.Context, id fhirmsg.ImportID, lines, open bool, w io.Writer) error {
	query := url.Values{}
	if lines {
		query.Set("lines", "1")
	}
	if open {
		query.Set("open", "1")
	}
	return c.copy(ctx, "/imports/"+id.String()+"/rejects?"+query.Encode(), w)
}

// Issues copies to w, as OperationOutcome, what was reported of an import: its rejects, and what
// was stored all the same.
func (c *Client) Issues(ctx context.Context, id fhirmsg.ImportID, w io.Writer) error {
	return c.copy(ctx, "/imports/"+id.String()+"/issues", w)
}

// Compare returns an import beside another one, or, if that is zero, the one before it.
func (c *Client) Compare(ctx context.Context, id, against fhirmsg.ImportID) (report ledger.Comparison, err error) {
	path := "/imports/" + id.String() + "/report"
	if against != (fhirmsg.ImportID{}) {
		path += "?against=" + against.String()
	}
	err = c.call(ctx, http.MethodGet, path, nil, &report)
	return report, err
}

func (c *Client) copy(ctx context.Context, path string, w io.Writer) error {
	resp, err := c.send(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	if _, err := io.Copy(w, resp.Body); err != nil {
		return fmt.Errorf("read rejects: %w", err)
	}
	return nil
}

// callJSON is call with a body in JSON.
func (c *Client) callJSON(ctx context.Context, method, path string, content, into any) error {
	body, err := json.Marshal(content)
	if err != nil {
		return fmt.Errorf("encode request: %w", err)
	}
	return c.call(ctx, method, path, bytes.NewReader(body), into)
}

// call sends a request and decodes the answer.
func (c *Client) call(ctx context.Context, method, path string, body io.Reader, into any) error {
	resp, err := c.send(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	if into == nil {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		return fmt.Errorf("read the answer to %s %s: %w", method, path, err)
	}
	return nil
}

func (c *Client) send(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, fmt.Errorf("call %s: %w", c.base, err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("call stoker at %s: %w", c.base, err)
	}
	if resp.StatusCode < 300 {
		return resp, nil
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	if resp.StatusCode == http.StatusNotFound && strings.HasPrefix(path, "/imports/") {
		return nil, ErrNotFound
	}
	var problem api.Problem
	if err := json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&problem); err != nil || problem.Error == "" {
		return nil, fmt.Errorf("stoker at %s answers %s", c.base, resp.Status)
	}
	if resp.StatusCode == http.StatusServiceUnavailable {
		return nil, busyError{problem.Error}
	}
	return nil, errors.New(problem.Error)
}
