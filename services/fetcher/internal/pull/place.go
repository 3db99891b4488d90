package pull

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// Place is how far a file was read. It is stored as JSON, and may hold secrets in its URL. The zero Place is the beginning.
type Place struct {
	Query int    `json:"query,omitempty"` // index of the query in hand; of what is followed, how many were asked
	Next  string `json:"next,omitempty"`  // URL of its next page; "": its first
	Done  bool   `json:"done,omitempty"`  // all was read

	// Of the query in hand.
	Pages   int          `json:"pages,omitempty"` // that were read
	Matches int64        `json:"matches,omitempty"`
	All     int64        `json:"all,omitempty"`
	Total   *int64       `json:"total,omitempty"` // as its first page says
	Last    fhirmsg.Hash `json:"last,omitzero"`   // of the lines of its last page
	Mark    fhirmsg.Hash `json:"mark,omitzero"`   // of the URL of an earlier page
	Lap     int          `json:"lap,omitempty"`   // pages until the mark is moved on

	Failures int       `json:"failures,omitempty"` // in a row
	Failing  time.Time `json:"failing,omitzero"`   // since when
}

// Of paging that does not end.
var (
	errLoop  = errors.New("the links to the next page lead back to an earlier one")
	errAgain = errors.New("the next page is the same one again")
)

// step is the place behind a page of the query in hand. A loop is noticed by Brent's algorithm: the URL of one page is
// remembered, and that of another one each time that twice as many were read.
func (p Place) step(page Page) (Place, error) {
	if p.Pages == 0 {
		p.Total = page.total
	}
	p.Pages++
	p.Matches, p.All = p.Matches+page.matches, p.All+page.all
	last := fhirmsg.HashOf(page.Lines)
	if len(page.Lines) > 0 && p.Pages > 1 && last == p.Last {
		return p, errAgain
	}
	p.Last = last
	if page.next == nil {
		return p, nil
	}
	p.Next = page.next.String()
	at := fhirmsg.HashOf([]byte(p.Next))
	if at == p.Mark {
		return p, errLoop
	}
	if p.Lap == 0 {
		p.Mark, p.Lap = at, p.Pages
	} else {
		p.Lap--
	}
	return p, nil
}

// nextQuery is the place at the beginning of the next query.
func (p Place) nextQuery() Place { return Place{Query: p.Query + 1} }

// differs reports whether the total that was said is another one than of what came. Servers differ in what they count.
func (p Place) differs() bool { return p.Total != nil && *p.Total != p.Matches && *p.Total != p.All }

// heeds reports whether a server says that it asked itself for something else than what it was asked for, by the link to
// the page itself (https://hl7.org/fhir/R4/search.html#conformance): other parameters are there, and that of the patient is
// not. Then what came is of other patients.
func heeds(asked, self *url.URL) bool {
	if self == nil {
		return true
	}
	want, told := asked.Query(), self.Query()
	echoes := false
	for name := range want {
		echoes = echoes || told.Has(name)
	}
	for _, name := range []string{"patient", "_id", "subject", "member", "individual", "actor"} {
		if want.Has(name) && !told.Has(name) && !told.Has(name+":Patient") && echoes {
			return false
		}
	}
	return true
}

// heedsAll is the same of a search for patients, of which every parameter counts that selects: without one of them it finds
// others too, perhaps all that the server has.
func heedsAll(asked, self *url.URL) bool {
	if self == nil {
		return true
	}
	told := map[string]bool{}
	for name := range self.Query() {
		told[bare(name)] = true
	}
	echoes, all := false, true
	for name := range asked.Query() {
		name = bare(name)
		echoes = echoes || told[name]
		all = all && (told[name] || slices.Contains(selectNothing, name))
	}
	return all || !echoes
}

// selectNothing are parameters of a search that change nothing of what it finds.
var selectNothing = []string{"_count", "_sort", "_format", "_pretty", "_total", "_include", "_revinclude"}

// bare is a parameter's name without modifiers and chains: organization of organization:Organization.name.
func bare(name string) string {
	if i := strings.IndexAny(name, ":."); i > 0 {
		return name[:i]
	}
	return name
}
