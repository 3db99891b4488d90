package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/stoker-fhir/stoker/services/fetcher/internal/format"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/manifest"
)

// acceptManifest is what is asked for where a manifest is expected.
const acceptManifest = "application/json, application/fhir+json;q=0.9"

// pageAttempts is how often a page is read anew that was cut, or changed, while it was read.
const pageAttempts = 3

// readPage reads one page of a manifest.
func readPage(ctx context.Context, l Locator, cfg Config) (manifest.Manifest, error) {
	for attempt := 1; ; attempt++ {
		m, err := readPageOnce(ctx, l, cfg)
		if attempt < pageAttempts && (errors.Is(err, ErrCut) || errors.Is(err, ErrChanged)) {
			continue
		}
		status := StatusError{}
		if errors.As(err, &status) && status.Code == http.StatusAccepted {
			err = fmt.Errorf("%w: the manifest is not complete yet", err)
		}
		return m, err
	}
}

func readPageOnce(ctx context.Context, l Locator, cfg Config) (manifest.Manifest, error) {
	cfg = cfg.withDefaults()
	s, err := newHTTPStream(ctx, l, cfg)
	if err != nil {
		return manifest.Manifest{}, err
	}
	defer s.Close() //nolint:errcheck // only read from
	s.accept, s.maxBody = acceptManifest, manifest.MaxSize
	if err := s.connect(); err != nil {
		return manifest.Manifest{}, err
	}
	base := *s.answered
	base.User = nil // it is in the headers, which go where they belong
	in := format.NewInput(s)
	content, err := in.Decompress(in.Detect())
	if err != nil {
		return manifest.Manifest{}, err
	}
	defer content.Close() //nolint:errcheck // frees memory only
	b, err := io.ReadAll(io.LimitReader(content, manifest.MaxSize+1))
	if err != nil {
		return manifest.Manifest{}, err
	}
	return manifest.Read(b, &base)
}
