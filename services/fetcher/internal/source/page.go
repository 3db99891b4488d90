package source

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/manifest"
)

// acceptManifest is what is asked for where a manifest is expected.
const acceptManifest = "application/json, application/fhir+json;q=0.9"

// pageAttempts is how often a page is read anew that was cut, or changed, while it was read.
const pageAttempts = 3

// page is a page of a manifest, and what tells it from another state of itself.
type page struct {
	manifest.Manifest
	url       *url.URL
	validator Validator
	content   fhirmsg.Hash
}

// readPage reads one page of a manifest, unless it is in the state of a validator: then it is a [StatusError] of 304.
func readPage(ctx context.Context, l Locator, cfg Config, unless Validator) (page, error) {
	for attempt := 1; ; attempt++ {
		p, err := readPageOnce(ctx, l, cfg, unless)
		if attempt < pageAttempts && (errors.Is(err, ErrCut) || errors.Is(err, ErrChanged)) {
			continue
		}
		if answered(err, http.StatusAccepted) {
			err = fmt.Errorf("%w: the manifest is not complete yet", err)
		}
		return p, err
	}
}

// answered reports whether an error is an answer with one of the codes.
func answered(err error, codes ...int) bool {
	status := StatusError{}
	return errors.As(err, &status) && slices.Contains(codes, status.Code)
}

func readPageOnce(ctx context.Context, l Locator, cfg Config, unless Validator) (p page, err error) {
	b, s, err := readWhole(ctx, l, cfg.WithDefaults(), acceptManifest, manifest.MaxSize, unless)
	if err != nil {
		return p, err
	}
	base := *s.answered
	base.User = nil // it is in the headers, which go where they belong
	p = page{url: s.url, validator: s.v, content: fhirmsg.HashOf(b)}
	p.Manifest, err = manifest.Read(b, &base)
	return p, err
}
