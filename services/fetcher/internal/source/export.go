package source

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/outbound"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/manifest"
)

// ErrNotYet is that the manifest of an export, or one that follows it, is not to be had now, and may well be later.
var ErrNotYet = errors.New("the manifest cannot be read now")

// Exported is what an export has made.
type Exported struct {
	Files   []File
	Skipped []Skipped
	Time    time.Time // its transaction time, the earliest of all pages; zero is unknown
	Notes   []string  // what is not as it was asked for
}

// ListExport lists the files of the manifest at a URL, which an export has ended with, like [List]. Credentials are those
// of the source, whose export is asked for elsewhere. Errors: [ErrNotYet]; the context's; a URL that cannot be.
func ListExport(ctx context.Context, s fhirmsg.Source, at string, cfg Config) (Exported, error) {
	c, err := newChain(s)
	if err != nil {
		return Exported{}, err
	}
	if c.first, err = outbound.ParseURL(at); err != nil {
		return Exported{}, err
	}
	types := s.Export.List(fhirmsg.ExportType)
	c.asked = &Asked{Types: types}
	if since := s.Export.Since(); !since.IsZero() {
		c.asked.Since = since.UnixMicro()
	}
	if err := c.list(ctx, cfg.WithDefaults(), notYet); err != nil {
		return Exported{}, err
	}
	e := Exported{Files: c.files, Skipped: c.skipped, Time: c.time}
	if why := partOf(s.Export, cfg); why != "" {
		e.Skipped = append(e.Skipped, Skipped{Name: "$export", Reason: why})
	}
	incomplete := s.Export.Incomplete()
	for i, f := range e.Files {
		if f.Kind != manifest.Resources {
			continue
		}
		e.Files[i].Subsetted = incomplete
		if note := NotAsked(types, f.Type); note != "" && !slices.Contains(e.Notes, note) {
			e.Notes = append(e.Notes, note)
		}
	}
	return e, nil
}

// partOf says why an export is not of all that it must be of; see [Config.Whole].
func partOf(e *fhirmsg.Export, cfg Config) string {
	if !cfg.Whole {
		return ""
	}
	asked := url.Values{}
	for _, p := range e.Parameters {
		asked.Add(p.Name, p.Value)
	}
	return manifest.Part(asked, cfg.Types)
}

// notYet tells what may pass from what stays.
func notYet(err error) error {
	if answered(err, http.StatusAccepted) || Passes(err) {
		return fmt.Errorf("%w: %w", ErrNotYet, err)
	}
	return nil
}

// NotAsked says that a type is none of those that were asked for; "" where it is, or where what is not asked for
// cannot be told.
func NotAsked(asked []string, resourceType string) string {
	switch resourceType {
	case "", "Bundle", "Parameters", "OperationOutcome":
		return ""
	}
	if len(asked) == 0 || slices.Contains(asked, resourceType) {
		return ""
	}
	return fmt.Sprintf("the server sent resources of type %s, which _type does not ask for", resourceType)
}
