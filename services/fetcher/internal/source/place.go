package source

import (
	"net/url"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/manifest"
)

// placeAt is the place behind all files of a page.
func placeAt(at *url.URL, files []manifest.File) fhirmsg.ManifestPlace {
	p := fhirmsg.ManifestPlace{Page: at.String()}
	for _, f := range files {
		switch f.Kind {
		case manifest.Resources:
			p.Output++
		case manifest.Deleted:
			p.Deleted++
		case manifest.Outcome:
			p.Outcome++
		}
	}
	p.Digest, _, _ = digest(files, p)
	return p
}

// behind returns the files of a page that are behind a place; ok is false where the page is not the one that
// the place was of.
func behind(files []manifest.File, p fhirmsg.ManifestPlace) (rest []manifest.File, ok bool) {
	sum, rest, ok := digest(files, p)
	return rest, ok && sum == p.Digest
}

// digest is of the first files of each kind, as many as a place has, without the queries of their URLs, which may be
// other ones each time; rest are the others, and ok is whether there are so many.
func digest(files []manifest.File, p fhirmsg.ManifestPlace) (sum fhirmsg.Hash, rest []manifest.File, ok bool) {
	left := map[manifest.Kind]int{manifest.Resources: p.Output, manifest.Deleted: p.Deleted, manifest.Outcome: p.Outcome}
	var first []byte
	for _, f := range files {
		if left[f.Kind] == 0 {
			rest = append(rest, f)
			continue
		}
		left[f.Kind]--
		what := f.Problem
		if f.URL != nil {
			bare := *f.URL
			bare.RawQuery, bare.User = "", nil
			what = bare.String()
		}
		first = append(first, string(f.Kind)+"\x00"+what+"\x00"...)
	}
	for _, n := range left {
		if n > 0 {
			return sum, nil, false
		}
	}
	return fhirmsg.HashOf(first), rest, true
}
