package pull

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/stoker-fhir/stoker/pkg/outbound"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/source"
)

// maxPages is how many pages a query may have.
const maxPages = 1_000_000

// FollowAtOnce is how many resources that others point to are asked for in one query.
const FollowAtOnce = 50

const (
	noPatient = "the server does not have all patients of the cohort (404, 410); files without lines say which"
	noTotal   = "the server told another number of resources (Bundle.total) than it sent"
)

// Next asks for the page at a place of a file, which is the one of that index, and returns it with the place behind it.
// Wanted are resources to be followed, of one type; none ends a file of such.
//
// Errors: [source.Busy]; those for which [source.Passes] says that they may be over; the context's; or what is wrong
// with the page for good. The place is then the one that was asked for.
func (s *Session) Next(ctx context.Context, index int, at Place, wanted []Ref) (Page, Place, error) {
	f := s.files[index]
	q, asked, ok := s.query(f, at, wanted)
	if !ok {
		at.Done = true
		return Page{}, at, nil
	}
	page, next, err := s.page(ctx, spot{index, at.Query}, q, at)
	page.Asked = asked
	switch {
	case err == nil:
		return page, next, nil
	case at.Pages == 0 && !s.cohort && passedOver(f, err) != "":
		note := passedOver(f, err)
		if f.Follows || f.History {
			note = fmt.Sprintf(note, kind(q), withoutSays(err))
		}
		return Page{Notes: []string{note}, Asked: asked}, at.nextQuery(), nil
	case ctx.Err() != nil:
		return Page{}, at, ctx.Err()
	default:
		return Page{}, at, fmt.Errorf("page %d of %s: %w", at.Pages+1, name(q), err)
	}
}

// query is the query in hand of a file; ok is false behind the last.
func (s *Session) query(f source.Pull, at Place, wanted []Ref) (q string, asked []Ref, ok bool) {
	switch {
	case !f.Follows:
		if at.Query >= len(f.Queries) {
			return "", nil, false
		}
		return f.Queries[at.Query], nil, true
	case at.Next != "":
		return "(followed)", nil, true
	case len(wanted) == 0:
		return "", nil, false
	case wanted[0].Type == "Binary": // cannot be searched for
		return "Binary/" + wanted[0].ID, wanted[:1], true
	}
	var ids []string
	for _, r := range wanted {
		ids = append(ids, r.ID)
	}
	more := []parameter{{"_id", strings.Join(ids, ",")}, {"_count", fmt.Sprint(len(ids))}}
	return query(wanted[0].Type, "", more), wanted, true
}

// page asks for one page.
func (s *Session) page(ctx context.Context, at spot, q string, place Place) (Page, Place, error) {
	f := s.files[at.file]
	var a source.Answer
	var u *url.URL
	var err error
	if place.Next == "" {
		if u, err = s.url(q); err != nil {
			return Page{}, place, errors.New("the query is no URL")
		}
		a, err = s.first(ctx, at, u)
	} else {
		if u, err = outbound.ParseURL(place.Next); err != nil {
			return Page{}, place, err
		}
		if err := s.mayLead(u); err != nil {
			return Page{}, place, err
		}
		a, err = s.site.Get(ctx, u)
	}
	if err != nil {
		return Page{}, place, err
	}
	r := reader{file: f, base: s.base()}
	page, err := r.read(a)
	if err != nil {
		return Page{}, place, err
	}
	switch {
	case place.Next != "" || f.Follows || f.History:
	case s.cohort && !heedsAll(u, page.self):
		return Page{}, place, errors.New("the server did not heed all that is searched for, as its link to the page itself says")
	case !s.cohort && !heeds(u, page.self):
		return Page{}, place, errors.New("the server did not heed for which patient it was asked, as its link to the page itself says")
	}
	next, err := place.step(page)
	switch {
	case err != nil:
		return Page{}, place, err
	case next.Pages > maxPages:
		return Page{}, place, fmt.Errorf("more than %d pages", maxPages)
	case page.next != nil:
		return page, next, nil
	}
	if !f.Follows && !f.History && next.differs() {
		page.Notes = append(page.Notes, noTotal)
	}
	return page, next.nextQuery(), nil
}

// mayLead says why a link may not be followed; nil: it may. Where no policy says so, it leads to the server itself.
func (s *Session) mayLead(u *url.URL) error {
	home := s.site.URL()
	switch {
	case home.Scheme == "https" && u.Scheme != "https":
		return errors.New("the server, asked by https, names an http URL as that of the next page")
	case !s.site.HasPolicy() && outbound.Origin(u) != outbound.Origin(home):
		return errors.New("the link to the next page leads to another origin than the server's, which only the policy of a supplier can allow")
	}
	return nil
}

// passedOver is what is noted where a query that the server refuses is no failure of its file; "": it is one.
func passedOver(f source.Pull, err error) string {
	status := source.StatusError{}
	if !errors.As(err, &status) {
		return ""
	}
	switch {
	case f.Follows && status.Code >= 400 && status.Code < 500 && !source.Passes(err) && status.Code != http.StatusUnauthorized:
		return "resources of type %s that others point to cannot be had: %v"
	case f.History:
		switch status.Code {
		case http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented:
			return "deletions of type %s are not known, since the server does not tell its history: %v"
		}
		return ""
	case status.Code == http.StatusNotFound, status.Code == http.StatusGone:
		return noPatient
	}
	return ""
}

// withoutSays is a status by itself, so that notes are the same each time.
func withoutSays(err error) error {
	status := source.StatusError{}
	if errors.As(err, &status) {
		return source.StatusError{Code: status.Code}
	}
	return err
}

// name is a query without what it asks for.
func name(q string) string {
	path, _, _ := strings.Cut(q, "?")
	if kind(path) == "Patient" && strings.Contains(path, "/") {
		return "$everything"
	}
	return path
}

// kind is the resource type of a query.
func kind(q string) string {
	path, _, _ := strings.Cut(q, "?")
	t, _, _ := strings.Cut(path, "/")
	return t
}
