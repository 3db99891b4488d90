package source

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// Known is how far a manifest was imported, and by what a change of it is seen. It is stored as JSON.
type Known struct {
	Place   fhirmsg.ManifestPlace `json:"place"`             // of the page that is asked for next
	Grows   bool                  `json:"grows,omitempty"`   // files of the place need not be read again: the page is only added to
	ETag    string                `json:"etag,omitempty"`    // of the page, as below
	Changed string                `json:"changed,omitempty"` // its Last-Modified
	Content fhirmsg.Hash          `json:"content"`           // for servers that tell neither
	Time    time.Time             `json:"time,omitzero"`     // its transaction time, for those that sign the URLs of files anew each time
}

func (k Known) validator() Validator { return Validator{ETag: k.ETag, LastModified: k.Changed} }

// Found is what [Poll] found.
type Found struct {
	Sources []fhirmsg.Source // to be imported, in this order; none: nothing is new
	Known   *Known           // what is known when they were imported; nil: as before
}

// Poll asks what a manifest, or the chain that it begins, has that was not imported yet. What is imported later may be more than
// was there when it was asked, and never less; what is found twice is harmless.
//
// A page that ends a chain for now ("#pending") is asked for again, and the chain is followed from there. A manifest that
// is added to (epochStartTime) is read behind what was read before. One that is neither is read whole when it has
// changed, and so is a chain that is closed or gone, from its beginning. See $bulk-publish of the Bulk Data Access IG.
//
// Errors are as those of [Open], and what is wrong with a manifest.
func Poll(ctx context.Context, s fhirmsg.Source, cfg Config, known *Known) (Found, error) {
	cfg = cfg.WithDefaults()
	inTime, cancel := context.WithTimeout(ctx, cfg.ListTime)
	defer cancel()
	found, err := poll(inTime, s, cfg, known)
	if err != nil && ctx.Err() == nil && inTime.Err() != nil {
		err = fmt.Errorf("the manifests were not read within %s", cfg.ListTime)
	}
	return found, err
}

func poll(ctx context.Context, s fhirmsg.Source, cfg Config, known *Known) (Found, error) {
	s.After = nil
	if known == nil {
		return fromTheRoot(ctx, s, cfg)
	}
	rest := s
	rest.After = &known.Place
	c, err := newChain(rest)
	if err != nil {
		return Found{}, err
	}
	p, err := c.read(ctx, c.first, cfg, known.validator())
	switch {
	case answered(err, http.StatusNotModified):
		return Found{}, nil
	case answered(err, http.StatusNotFound, http.StatusGone) && known.Place.Page != s.Manifest:
		return fromTheRoot(ctx, s, cfg)
	case err != nil:
		return Found{}, err
	}
	more, same := behind(p.Files, known.Place)
	isAll := len(more) == 0 && p.Next == nil
	switch {
	case !known.Grows && (p.content == known.Content || same && isAll && !known.Time.IsZero() && known.Time.Equal(p.TransactionTime)),
		known.Grows && same && isAll && !p.Closed:
		return Found{Known: knownOf(p, known.Grows)}, nil
	case !known.Grows || !same:
		return fromTheRoot(ctx, s, cfg)
	}
	last, err := c.toTheEnd(ctx, p, cfg)
	if err != nil {
		return Found{}, err
	}
	if c.goesOn(last) {
		return Found{Sources: []fhirmsg.Source{rest}, Known: knownOf(last, true)}, nil
	}
	found, err := fromTheRoot(ctx, s, cfg)
	found.Sources = append([]fhirmsg.Source{rest}, found.Sources...)
	return found, err
}

// fromTheRoot finds all that there is.
func fromTheRoot(ctx context.Context, s fhirmsg.Source, cfg Config) (Found, error) {
	c, err := newChain(s)
	if err != nil {
		return Found{}, err
	}
	root, err := c.read(ctx, c.first, cfg, Validator{})
	if err != nil {
		return Found{}, err
	}
	last, err := c.toTheEnd(ctx, root, cfg)
	if err != nil {
		return Found{}, err
	}
	if c.goesOn(last) {
		return Found{Sources: []fhirmsg.Source{s}, Known: knownOf(last, true)}, nil
	}
	return Found{Sources: []fhirmsg.Source{s}, Known: knownOf(root, false)}, nil // it is the root that tells of a change
}

// toTheEnd follows the links from a page that was read, and returns the last one.
func (c *chain) toTheEnd(ctx context.Context, p page, cfg Config) (page, error) {
	for p.Next != nil {
		var err error
		if p, err = c.read(ctx, p.Next, cfg, Validator{}); err != nil {
			return p, err
		}
	}
	return p, nil
}

// goesOn reports whether more is to come behind the last page of a chain, or in it where it is the only one.
func (c *chain) goesOn(last page) bool {
	return last.Pending || !last.Epoch.IsZero() && !last.Closed && last.url.String() == c.root
}

func knownOf(p page, grows bool) *Known {
	return &Known{Place: placeAt(p.url, p.Files), Grows: grows, ETag: p.validator.ETag, Changed: p.validator.LastModified, Content: p.content, Time: p.TransactionTime}
}
