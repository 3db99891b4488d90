package source

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/outbound"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/manifest"
)

// maxPages is how many manifests a chain may have.
const maxPages = 1000

// Why a file of a manifest is passed over.
const reasonTwice = "the manifest lists it a second time"

// Listed is a file's place in a manifest, by which it is found there again.
type Listed struct {
	Manifest string        `json:"manifest"` // URL of the page
	Time     int64         `json:"time"`     // the page's transaction time in microseconds since 1970; 0 is unknown
	Kind     manifest.Kind `json:"kind,omitempty"`
	Place    string        `json:"place"`
	Type     string        `json:"type,omitempty"`
	Count    int64         `json:"count"`
	Size     int64         `json:"size"`
}

func listed(page *url.URL, m manifest.Manifest, f manifest.File) Listed {
	l := Listed{Manifest: page.String(), Kind: f.Kind, Place: f.Place, Type: f.Type, Count: f.Count, Size: f.Size}
	if !m.TransactionTime.IsZero() {
		l.Time = m.TransactionTime.UnixMicro()
	}
	return l
}

// chain is a manifest with those that follow it.
type chain struct {
	source  fhirmsg.Source
	home    string   // origin of the source
	root    string   // its URL
	first   *url.URL // where to begin
	headers []fhirmsg.Header
	asked   *Asked // of an export
	pages   map[string]bool
	urls    map[string]bool // of files, with their kinds
	time    time.Time       // the earliest transaction time of the pages; zero is unknown
	files   []File
	skipped []Skipped
}

// newChain is that of a source, whose headers are for its origin. Of an export it begins elsewhere.
func newChain(s fhirmsg.Source) (*chain, error) {
	first, err := outbound.ParseURL(s.String())
	if err != nil {
		return nil, err
	}
	c := &chain{source: s, home: outbound.Origin(first), pages: map[string]bool{}, urls: map[string]bool{}}
	first, c.headers = withoutUser(first, s.Headers)
	c.first = withoutFragment(first)
	c.root = c.first.String()
	if s.After != nil {
		page, err := outbound.ParseURL(s.After.Page)
		if err != nil {
			return nil, err
		}
		c.first = withoutFragment(page)
	}
	return c, nil
}

func withoutFragment(u *url.URL) *url.URL {
	bare := *u
	bare.Fragment, bare.RawFragment = "", ""
	return &bare
}

// read reads a page; see [readPage].
func (c *chain) read(ctx context.Context, at *url.URL, cfg Config, unless Validator) (page, error) {
	switch {
	case c.pages[at.String()]:
		return page{}, errors.New("the manifests that follow each other lead back to this one")
	case len(c.pages) == maxPages:
		return page{}, fmt.Errorf("more than %d manifests follow each other", maxPages)
	}
	c.pages[at.String()] = true
	return readPage(ctx, Locator{URL: at.String(), Home: c.home, Headers: c.headers}, cfg, unless)
}

// listManifest lists the files of a manifest and of those that follow it, in order. What cannot be
// read of it is a file with a problem, so that the failure is accounted for.
func listManifest(ctx context.Context, s fhirmsg.Source, cfg Config) ([]File, []Skipped, error) {
	c, err := newChain(s)
	if err != nil {
		return nil, nil, err
	}
	if err := c.list(ctx, cfg.WithDefaults(), goOn); err != nil {
		return nil, nil, err
	}
	return c.files, c.skipped, nil
}

// goOn takes what cannot be read of a chain as a file with a problem.
func goOn(error) error { return nil }

// list lists the files of all pages from the first on. judge turns what is wrong with a page into an error, or
// into nil where it is to be a file with a problem.
func (c *chain) list(ctx context.Context, cfg Config, judge func(error) error) error {
	inTime, cancel := context.WithTimeout(ctx, cfg.ListTime)
	defer cancel()
	for at := c.first; at != nil; {
		next, err := c.follow(inTime, at, cfg)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case inTime.Err() != nil && err != nil:
			err = fmt.Errorf("the manifests were not read within %s", cfg.ListTime)
		}
		if err != nil {
			if err := judge(err); err != nil {
				return err
			}
			c.files = append(c.files, File{Name: urlName(at), Size: -1, Problem: err.Error()})
		}
		at = next
	}
	return nil
}

// follow takes the files of one page and returns the next.
func (c *chain) follow(ctx context.Context, at *url.URL, cfg Config) (next *url.URL, err error) {
	m, err := c.read(ctx, at, cfg, Validator{})
	if err != nil {
		return nil, err
	}
	if len(c.files)+len(m.Files) > manifest.MaxFiles {
		return nil, fmt.Errorf("more than %d files in the manifests that follow each other", manifest.MaxFiles)
	}
	if t := m.TransactionTime; !t.IsZero() && (c.time.IsZero() || t.Before(c.time)) {
		c.time = t
	}
	files := m.Files
	if after := c.source.After; after != nil && at == c.first {
		if rest, ok := behind(files, *after); ok {
			files = rest
		}
	}
	if n := len(m.Files) - len(files); n > 0 {
		c.skipped = append(c.skipped, Skipped{Name: urlName(at), Reason: fmt.Sprintf("the first %d files that it lists were imported before", n)})
	}
	for _, f := range files {
		c.take(at, m.Manifest, f)
	}
	if why := m.Part(cfg.Types); cfg.Whole && why != "" {
		c.skipped = append(c.skipped, Skipped{Name: urlName(at), Reason: why})
	}
	if m.Closed {
		c.skipped = append(c.skipped, Skipped{Name: urlName(at), Reason: "the manifests end here; their supplier begins anew elsewhere"})
	}
	return m.Next, nil
}

// take takes one file of a page.
func (c *chain) take(page *url.URL, m manifest.Manifest, f manifest.File) {
	file := File{Kind: f.Kind, Type: f.Type, Size: f.Size, Problem: f.Problem}
	if f.Kind != manifest.Resources {
		file.Type = "" // of the Bundles that hold deletions, which are not to be stored
	} else if file.Type == "" {
		file.Type = c.source.Type
	}
	if f.Count >= 0 {
		file.Count = &f.Count
	}
	place := listed(page, m, f)
	if place.Time != 0 {
		file.AsOf = &place.Time
	}
	if f.Problem != "" {
		file.Name = urlName(page)
		c.files = append(c.files, file)
		return
	}
	file.Name = urlName(f.URL)
	key := string(f.Kind) + " " + f.URL.String()
	if c.urls[key] {
		c.skipped = append(c.skipped, Skipped{Name: file.Name, Reason: reasonTwice})
		return
	}
	c.urls[key] = true
	file.Locator = Locator{URL: f.URL.String(), Headers: c.headers, Home: c.home, Anonymous: m.Anonymous, Listed: &place, Asked: c.asked}
	c.files = append(c.files, file)
}

// renewed is where a manifest says that a file is now, instead of at the old URL. It must be the same manifest
// otherwise.
func (l Locator) renewed(ctx context.Context, old *url.URL, cfg Config) (*url.URL, error) {
	page, err := outbound.ParseURL(l.Listed.Manifest)
	if err != nil {
		return nil, err
	}
	return cfg.Renewals.find(page, *l.Listed, old, func() (manifest.Manifest, error) {
		p, err := readPage(ctx, Locator{URL: page.String(), Home: l.Home, Headers: l.Headers}, cfg, Validator{})
		return p.Manifest, err
	})
}
