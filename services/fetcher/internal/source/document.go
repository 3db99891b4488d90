package source

import (
	"context"
	"fmt"
	"io"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/format"
)

// Document reads what the server of a source answers at a URL, at most so many bytes of it, with the credentials of the source and
// tried as often as a manifest is. Errors are those of [Open].
func Document(ctx context.Context, s fhirmsg.Source, at, accept string, maxSize int64, cfg Config) ([]byte, error) {
	cfg = cfg.WithDefaults()
	inTime, cancel := context.WithTimeout(ctx, cfg.ListTime)
	defer cancel()
	c, err := newChain(s)
	if err != nil {
		return nil, err
	}
	content, _, err := readWhole(inTime, Locator{URL: at, Home: c.home, Headers: c.headers}, cfg, accept, maxSize, Validator{})
	if err != nil && ctx.Err() == nil && inTime.Err() != nil {
		err = fmt.Errorf("it was not read within %s", cfg.ListTime)
	}
	return content, err
}

// readWhole reads the content of a URL into memory, decompressed.
func readWhole(ctx context.Context, l Locator, cfg Config, accept string, maxSize int64, unless Validator) ([]byte, *httpStream, error) {
	s, err := newHTTPStream(ctx, l, cfg)
	if err != nil {
		return nil, nil, err
	}
	defer s.Close() //nolint:errcheck // only read from
	s.accept, s.maxBody, s.unless = accept, maxSize, unless
	if err := s.connect(); err != nil {
		return nil, s, err
	}
	b, err := readAll(s, maxSize+1)
	return b, s, err
}

// readAll reads what is left of a stream, decompressed, or its first bytes.
func readAll(s *httpStream, limit int64) ([]byte, error) {
	in := format.NewInput(s)
	content, err := in.Decompress(in.Detect())
	if err != nil {
		return nil, err
	}
	defer content.Close() //nolint:errcheck // frees memory only
	return io.ReadAll(io.LimitReader(content, limit))
}
