package source

import (
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// Pull is a file that is made of what a FHIR server answers, page by page. See package pull, which reads it.
type Pull struct {
	Source  int32    `json:"source"`            // index of the pull in the request
	Queries []string `json:"queries,omitempty"` // below the server's URL, one after the other: Observation?patient=1
	History bool     `json:"history,omitempty"` // of the answers only deletions are taken
	Types   []string `json:"types,omitempty"`   // that are followed, where resources point to them
	Follows bool     `json:"follows,omitempty"` // the file is of what is followed; there are no queries

	Concurrency int     `json:"concurrency,omitempty"`
	Rate        float64 `json:"rate,omitempty"`
}

// PullFile is a file of a pull. Requests have the headers and credentials of the source.
func PullFile(s fhirmsg.Source, name string, p Pull) (File, error) {
	c, err := newChain(s)
	if err != nil {
		return File{}, err
	}
	f := File{Name: name, Size: -1, Locator: Locator{URL: c.root, Home: c.home, Headers: c.headers, Pull: &p}}
	if s.Pull.Since != nil {
		f.Locator.Asked = &Asked{Since: s.Pull.Since.UnixMicro()}
	}
	return f, nil
}

// PullSite is the server that the files of a pull are asked of.
func PullSite(l Locator, cfg Config) (*Site, error) { return newSite(l, cfg) }

// PullName is what a part of a pull is called, for people.
func (s *Site) PullName(path ...string) string { return urlName(s.url.JoinPath(path...)) }
