package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// sumsAtOnce is how many sums of what was stated of imports are made at once: of millions of chunks each takes a connection to
// PostgreSQL for seconds, and there are few for all.
const sumsAtOnce = 2

// sumsTimeout is how long a sum may take, waiting for its turn included: less than a request with a key may take.
const sumsTimeout = 40 * time.Second

// errSums: a sum was given up.
var errSums = errors.New("adding up took more than 40 seconds; try again when less is being imported")

// addUp calls read, which adds up what was stated of imports, when it has its turn. read must not call addUp.
func (s *Server) addUp(ctx context.Context, read func(context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, cmp.Or(s.sumsFor, sumsTimeout))
	defer cancel()
	err := s.inTurn(limited, read)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		return fmt.Errorf("%w: %w", errSums, err)
	}
	return err
}

func (s *Server) inTurn(ctx context.Context, read func(context.Context) error) error {
	select {
	case s.summing <- struct{}{}:
		defer func() { <-s.summing }()
		return read(ctx)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// progress is [ledger.Ledger.Progress] in its turn.
func (s *Server) progress(ctx context.Context, id fhirmsg.ImportID) (status ledger.Status, err error) {
	err = s.addUp(ctx, func(ctx context.Context) error {
		status, err = s.Ledger.Progress(ctx, id)
		return err
	})
	return status, err
}

// fileCounts is [ledger.Ledger.FileCounts] in its turn.
func (s *Server) fileCounts(ctx context.Context, id fhirmsg.ImportID) (counts map[int32]ledger.FileCounts, err error) {
	err = s.addUp(ctx, func(ctx context.Context) error {
		counts, err = s.Ledger.FileCounts(ctx, id)
		return err
	})
	return counts, err
}

// account reads what a request asks for of an import: all, or what takes less.
func (s *Server) account(r *http.Request, id fhirmsg.ImportID) (status ledger.Status, err error) {
	read := s.Ledger.Status
	if r.URL.Query().Get("progress") == "1" {
		read = s.Ledger.Progress
	}
	if err := s.addUp(r.Context(), func(ctx context.Context) error {
		status, err = read(ctx, id)
		return err
	}); err != nil {
		return status, err
	}
	s.explain(r.Context(), &status)
	return status, nil
}
