package chaos

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

const (
	lookEvery = 100 * time.Millisecond
	lookLimit = 5 * time.Second // for an answer of the database

	// strikeAfter is how long nothing may move before the next fault strikes all the same.
	strikeAfter = 4 * time.Second
)

// watch sees how far the work is.
type watch struct {
	p        *pipeline
	ids      []fhirmsg.ImportID
	work     int64
	patience time.Duration

	done  int64 // of work
	ended int   // imports
	moved time.Time
}

func newWatch(p *pipeline, ids []fhirmsg.ImportID, work int64, patience time.Duration) *watch {
	return &watch{p: p, ids: ids, work: work, patience: patience, moved: time.Now()}
}

// look asks the database. No answer is no news.
func (w *watch) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	var done int64
	var ended int
	err := w.p.database.pool().QueryRow(ctx, `SELECT
		(SELECT coalesce(sum(lines), 0)::bigint FROM stoker.fetched WHERE import = ANY ($1))
		+ (SELECT coalesce(sum(inserted + updated + unchanged + stale + deleted + skipped + rejected), 0)::bigint FROM stoker.written WHERE import = ANY ($1)),
		(SELECT count(*) FROM stoker.import WHERE id = ANY ($1) AND ended IS NOT NULL)`, plain(w.ids)).Scan(&done, &ended)
	if err == nil && (done != w.done || ended != w.ended) {
		w.done, w.ended, w.moved = done, ended, time.Now()
	}
}

// untilShare waits until a share of the work is done, or nothing moves; false when all of it is.
func (w *watch) untilShare(ctx context.Context, share float64) bool {
	since := time.Now()
	_ = w.until(ctx, func() bool {
		still := min(time.Since(w.moved), time.Since(since))
		return w.ended == len(w.ids) || float64(w.done) >= share*float64(w.work) || still > strikeAfter
	})
	return w.ended < len(w.ids) && ctx.Err() == nil
}

// untilEnded waits for the end of all imports.
func (w *watch) untilEnded(ctx context.Context) error {
	w.moved = time.Now()
	stuck := false
	err := w.until(ctx, func() bool {
		stuck = time.Since(w.moved) > w.patience
		return w.ended == len(w.ids) || stuck || len(w.p.deaths()) > 0
	})
	switch {
	case err != nil:
		return err
	case stuck:
		return fmt.Errorf("stuck: all parts are up, nothing has moved for %v, and %d of %d imports have ended", w.patience, w.ended, len(w.ids))
	case w.ended < len(w.ids):
		return errors.New(strings.Join(w.p.deaths(), "; "))
	}
	return nil
}

// untilQuiet waits until nothing is left in the queues: what was delivered to a process that
// died comes once more, and must change nothing.
func (w *watch) untilQuiet(ctx context.Context) error {
	return poll(ctx, w.patience, "the queues to be empty", func(ctx context.Context) bool {
		for _, stream := range queues {
			backlog, err := w.p.bus.Backlog(ctx, stream)
			if err != nil {
				return false
			}
			for _, n := range backlog {
				if n > 0 {
					return false
				}
			}
		}
		return true
	})
}

var queues = []string{
	fhirmsg.StreamFetch, fhirmsg.StreamOperator, fhirmsg.StreamChunks, fhirmsg.StreamResources, fhirmsg.StreamRejects, fhirmsg.StreamStatements,
}

func (w *watch) until(ctx context.Context, ok func() bool) error {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		if w.look(ctx); ok() {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}
