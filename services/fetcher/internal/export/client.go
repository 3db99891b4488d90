package export

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/outbound"
)

// Client asks one server for exports.
type Client struct {
	Site Site
	Now  func() time.Time
}

const fhirJSON = "application/fhir+json"

// maxQuery is the length of a URL beyond which parameters are sent in a body: servers and what is before them take
// no more than some kilobytes.
const maxQuery = 4000

// Step makes the next request of a job and returns the job as it is then, to be stored before the next step, which is due
// after wait. The error is the context's, and nothing has changed then.
func (c Client) Step(ctx context.Context, e fhirmsg.Export, j Job) (next Job, wait time.Duration, err error) {
	switch j.State {
	case Asking:
		if j.Asked.IsZero() {
			j.Asked = c.Now()
		}
		next, wait = c.begin(ctx, e, j)
	case UnderWay:
		next, wait = c.poll(ctx, j)
	default:
		return j, 0, nil
	}
	if err := ctx.Err(); err != nil {
		return j, 0, err
	}
	return next, wait, nil
}

// begin asks for an export.
func (c Client) begin(ctx context.Context, e fhirmsg.Export, j Job) (Job, time.Duration) {
	get, post := c.get(e), c.post(e)
	first := get
	if len(e.Values(fhirmsg.ExportPatient)) > 0 || len(get.URL.String()) > maxQuery {
		first = post
	}
	a, err := c.ask(ctx, first)
	if err == nil && first.Method == http.MethodGet && otherWay(a.status) {
		b, postErr := c.ask(ctx, post)
		switch {
		case postErr != nil: // the answer to the first stands
		case !otherWay(b.status) || noSuchWay(a.status) && !noSuchWay(b.status):
			a = b
		}
	}
	switch {
	case err != nil:
		return c.unanswered(j, err)
	case a.status == http.StatusNotFound && a.outcome != nil && !e.Since().IsZero():
		j = j.goesOn()
		j.State, j.Nothing = Ready, true
		return j, 0
	case a.status < 200 || a.status > 299:
		return j.again(c.Now(), a.fate(), a.after, "asked for the export, "+a.says())
	}
	status, err := a.place()
	if err == nil && !c.mayLead(a.at, status) {
		err = errors.New("the server named a status URL at another origin than its own, which only the policy of a supplier can allow")
	}
	if err != nil {
		return j.fail("asked for the export, " + err.Error())
	}
	j = j.goesOn()
	j.State, j.Status, j.Server, j.Begun = UnderWay, status.String(), outbound.Origin(a.at), c.Now()
	return j, wait(a.after, 0)
}

// otherWay reports whether an answer to GET is one that POST may not have.
func otherWay(status int) bool { return status == http.StatusBadRequest || noSuchWay(status) }

// noSuchWay reports whether an answer is about how was asked, and not about what for.
func noSuchWay(status int) bool {
	switch status {
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusUnsupportedMediaType, http.StatusNotImplemented:
		return true
	default:
		return false
	}
}

func header() http.Header {
	return http.Header{"Accept": {fhirJSON}, "Prefer": {"respond-async"}}
}

func (c Client) get(e fhirmsg.Export) outbound.Request {
	u := c.Site.URL()
	u.RawQuery = query(e)
	return outbound.Request{Method: http.MethodGet, URL: u, Header: header()}
}

func (c Client) post(e fhirmsg.Export) outbound.Request {
	h := header()
	h.Set("Content-Type", fhirJSON)
	return outbound.Request{Method: http.MethodPost, URL: c.Site.URL(), Header: h, Body: body(e)}
}

// maxURL is the greatest length of a status URL in bytes.
const maxURL = 16 << 10

// place is the status URL that an answer names. Errors do not repeat it.
func (a answer) place() (*url.URL, error) {
	for _, name := range []string{"Content-Location", "Location"} {
		raw := a.header.Get(name)
		if raw == "" {
			continue
		}
		if len(raw) > maxURL {
			return nil, errors.New("the server named a status URL that is too long")
		}
		u, err := a.at.Parse(raw)
		if err != nil {
			return nil, errors.New("the server named what is no URL as that of the status")
		}
		u.User, u.Fragment, u.RawFragment = nil, "", ""
		if _, err := outbound.ParseURL(u.String()); err != nil {
			return nil, errors.New("the server named what is no http or https URL as that of the status")
		}
		if a.at.Scheme == "https" && u.Scheme != "https" {
			return nil, errors.New("the server, asked by https, named an http URL as that of the status")
		}
		return u, nil
	}
	return nil, errors.New("the server answered " + strconv.Itoa(a.status) + " without Content-Location, so how far it is cannot be asked")
}

// mayLead reports whether a server may name a status URL, which is asked for and in the end sent a DELETE. Where no policy
// says so, it is one of the server that answered or of the one that was asked: no other is told to remove anything.
func (c Client) mayLead(answered, status *url.URL) bool {
	asked := c.Site.URL()
	if asked.Scheme == "https" && status.Scheme != "https" {
		return false
	}
	to := outbound.Origin(status)
	return c.Site.HasPolicy() || to == outbound.Origin(asked) || answered != nil && to == outbound.Origin(answered)
}

// poll asks how far a job is.
func (c Client) poll(ctx context.Context, j Job) (Job, time.Duration) {
	now := c.Now()
	if now.Sub(j.Begun) >= maxUnderWay {
		return j.fail("the export was under way for two weeks")
	}
	at, err := outbound.ParseURL(j.Status)
	if err != nil {
		return j.fail("the status URL was not stored in a form that this version reads")
	}
	a, err := c.ask(ctx, outbound.Request{URL: at, Header: http.Header{"Accept": {"application/json, " + fhirJSON + ";q=0.9"}}})
	switch {
	case err != nil:
		return c.unanswered(j, err)
	case a.status == http.StatusOK:
		j.State, j.Reason = Ready, "" // failures are over when the manifest is read; see NotYet
		return j, 0
	case a.status == http.StatusAccepted:
		j = j.goesOn()
		j.Percent = percentOf(a.header.Get("X-Progress"))
		return j, wait(a.after, now.Sub(j.Begun)/5)
	case (a.status == http.StatusNotFound || a.status == http.StatusGone) && a.fate() == refused:
		return j.fail("the server does not know the export any more: " + a.says())
	default:
		return j.again(now, a.fate(), a.after, "asked how far the export is, "+a.says())
	}
}

// NotYet is a job whose manifest could not be read when it was to: it is polled again, after a time that grows.
func (c Client) NotYet(j Job, why error) (Job, time.Duration) {
	j.State = UnderWay
	return j.again(c.Now(), passing, 0, why.Error())
}

func (c Client) unanswered(j Job, err error) (Job, time.Duration) {
	f := refused
	if mayPass(err) {
		f = passing
	}
	return j.again(c.Now(), f, 0, err.Error())
}

// Remove removes a job at its server. done is false where that may succeed later; the error, which is the context's
// otherwise, is why it did not.
func (c Client) Remove(ctx context.Context, j Job) (done bool, err error) {
	at, err := outbound.ParseURL(j.Status)
	if j.Status == "" || err != nil {
		return true, nil //nolint:nilerr // there is nothing to remove
	}
	answered, err := outbound.ParseURL(j.Server)
	if err != nil {
		answered = nil // stored by an older version
	}
	if !c.mayLead(answered, at) {
		return true, errors.New("its status URL is at another origin than the export's")
	}
	a, err := c.ask(ctx, outbound.Request{Method: http.MethodDelete, URL: at, Header: http.Header{"Accept": {fhirJSON}}})
	switch {
	case ctx.Err() != nil:
		return false, ctx.Err()
	case err != nil:
		return !mayPass(err), err
	case a.status < 300, a.status == http.StatusGone, noSuchWay(a.status): // some servers do not offer it
		return true, nil
	default:
		done = a.fate() == refused
		a.outcome = nil // the error is to be logged
		return done, errors.New(a.says())
	}
}
