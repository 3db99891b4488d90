package source

import (
	"errors"
	"net/url"
	"sync"

	"github.com/stoker-fhir/stoker/services/fetcher/internal/manifest"
)

// Renewals keeps the last page of a manifest that was read again, so that a manifest whose URLs expire all at once is
// read once and not for each of its files. It is for one import, and may be used by several goroutines, of which one
// reads and the others wait.
type Renewals struct {
	mu   sync.Mutex
	page string
	urls map[Listed]*url.URL
}

// find returns where a page says that a file is now. What was read before counts where it says another URL than the
// old one.
func (r *Renewals) find(page *url.URL, file Listed, old *url.URL, read func() (manifest.Manifest, error)) (*url.URL, error) {
	if r == nil {
		r = new(Renewals)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.page == page.String() {
		if now := r.urls[file]; now != nil && now.String() != old.String() {
			return now, nil
		}
	}
	m, err := read()
	if err != nil {
		return nil, err
	}
	r.page, r.urls = page.String(), make(map[Listed]*url.URL, len(m.Files))
	for _, f := range m.Files {
		if f.URL != nil {
			r.urls[listed(page, m, f)] = f.URL
		}
	}
	if now := r.urls[file]; now != nil {
		return now, nil
	}
	return nil, errors.New("it does not list the file any more as it did")
}
