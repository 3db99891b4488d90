package fetcher

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/stoker-fhir/stoker/pkg/bus"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/pull"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/reading"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/source"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/split"
)

// heldBytes is how much is gathered of short pages before it is stored and published.
const heldBytes = 64 << 10

// Pages may have no lines, such as those of a history without deletions. How far they were read is stored after so many, or so
// long, and then it is asked whether the import is to go on.
const (
	heldPages = 50
	heldTime  = 30 * time.Second
)

// overtakenDelay is after how long a fetcher that was overtaken looks whether the other one is still there.
const overtakenDelay = 2 * fhirmsg.AckWait

const lacksFollowed = "not all resources that others point to are there, or to be had from the server"

// fetchPull brings one file of a pull to its end, or to its failure, page by page; see [fetcher.fetchFile]. A page is stored
// before it is published, and the next one is stored when all of it is stated. So whoever follows a fetcher that died
// publishes the same bytes, and goes on with the page behind them.
func (f *fetcher) fetchPull(ctx context.Context, imp fhirmsg.Import, file ledger.File, c *credit, p *pulls) error {
	if err := c.allowance.begin(); err != nil {
		return f.ledger.CloseFile(ctx, imp.ID, file.Index, err.Error())
	}
	locator := p.locators[file.Index]
	session, err := p.session(ctx, f, locator)
	if err != nil {
		return f.closeFile(ctx, imp, file, err.Error())
	}
	if file.Reading, err = json.Marshal(reading.Lines()); err != nil {
		return fmt.Errorf("encode a file's state: %w", err)
	}
	if err := f.ledger.OpenFile(ctx, imp.ID, file.Index, file.Reading, -1); err != nil {
		return err
	}
	// Files without content publish nothing, so a pause would not be noticed.
	if state, err := f.ledger.RecordFetched(ctx, imp.ID, file.Index, 0, nil); err != nil {
		return err
	} else if err := f.halted(state); err != nil {
		return err
	}
	r := pullReading{fetcher: f, imp: imp, file: file, pull: *locator.Pull, index: p.index[file.Index], session: session, credit: c, heed: newHeed(file, locator.Asked)}
	err = r.run(ctx)
	failed, reason := fileError{}, ""
	if ctx.Err() == nil && errors.As(err, &failed) {
		f.deps.Log.Warn().Stringer("import", imp.ID).Int32("file", file.Index).Msg("a file failed; its reason is in the ledger")
		err, reason = nil, failed.Error()
	}
	if err == nil {
		err = f.closeFile(ctx, imp, file, reason)
	}
	if err == nil {
		err = f.ledger.DropPage(ctx, imp.ID, file.Index)
	}
	return err
}

// pullReading is one file of a pull that is read.
type pullReading struct {
	fetcher *fetcher
	imp     fhirmsg.Import
	file    ledger.File
	pull    source.Pull
	index   int // of the file in its session
	session *pull.Session
	credit  *credit
	heed    *heed

	page  ledger.Page // in hand
	place pull.Place  // behind it
	kept  ledger.Page // that the ledger has; without a place: none
}

// run reads to the end. Errors about the file are of type fileError.
func (r *pullReading) run(ctx context.Context) error {
	l := r.fetcher.ledger
	var known bool
	var err error
	if r.page, known, err = l.Page(ctx, r.imp.ID, r.file.Index); err != nil {
		return err
	}
	if known {
		r.kept = r.page
		if err := json.Unmarshal(r.page.Place, &r.place); err != nil {
			return fileError{errors.New("how far it was read was not stored in a form that this version reads")}
		}
	}
	published, lines, err := l.ResumePoint(ctx, r.imp.ID, r.file.Index)
	if err != nil {
		return err
	}
	for {
		if err := r.publish(ctx, published, lines); err != nil || r.place.Done {
			return err
		}
		state, err := l.RecordFetched(ctx, r.imp.ID, r.file.Index, 0, nil) // what publishes nothing learns of a pause here
		if err != nil {
			return err
		}
		if err := r.fetcher.halted(state); err != nil {
			return err
		}
		if err := r.next(ctx); err != nil {
			return err
		}
		published, lines = r.page.Offset, r.page.Line-1 // all that is before the page
	}
}

// publish publishes what of the page in hand is behind so many bytes and lines of the file, which were stated, and states it.
func (r *pullReading) publish(ctx context.Context, published, lines int64) error {
	end := r.page.Offset + int64(len(r.page.Body))
	if published >= end { // more than that only where the ledger was restored from a backup
		r.page = ledger.Page{Offset: published, Line: lines + 1}
		return nil
	}
	rest, line := r.page.Body, r.page.Line
	if skip := published - r.page.Offset; skip > 0 {
		rest, line = rest[skip:], lines+1
	}
	p := newPublisher(ctx, r.fetcher, r.imp, r.file, r.credit)
	readErr := r.pieces(ctx, p, split.New(bytes.NewReader(rest), split.Options{
		ChunkSize: r.imp.ChunkSize, MaxLine: r.imp.MaxLine, StartOffset: end - int64(len(rest)), StartLine: line,
	}), end)
	now, err := p.finish(ctx, end)
	switch {
	case err != nil:
		return err
	case readErr != nil:
		return readErr
	case now != ledger.StateFetching:
		return errHalted
	}
	r.page = ledger.Page{Offset: end, Line: r.page.Line + int64(bytes.Count(r.page.Body, []byte{'\n'}))}
	return r.fetcher.ledger.Note(ctx, r.imp.ID, r.heed.notes...)
}

func (r *pullReading) pieces(ctx context.Context, p *publisher, s *split.Splitter, end int64) error {
	for {
		piece, err := s.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fileError{err}
		}
		if err := r.credit.allowance.reach(piece.Offset+piece.Length, piece.FirstLine-1+piece.Lines); err != nil {
			return fileError{err}
		}
		r.heed.look(piece)
		chunk := fhirmsg.Chunk{
			ChunkHeader: fhirmsg.ChunkHeader{
				Import: r.imp, Place: fhirmsg.Place{File: r.file.Index, Offset: piece.Offset, Length: piece.Length},
				FirstLine: piece.FirstLine, Lines: piece.Lines, TooLong: piece.TooLong, AsOf: asOf(r.imp, r.file),
			},
			Body: piece.Body,
		}
		if err := p.publish(ctx, chunk, end); err != nil {
			return err
		}
		state, err := p.flush(ctx, end, false)
		if err != nil {
			return err
		}
		if err := r.fetcher.halted(state); err != nil {
			return err
		}
	}
}

// next asks for pages until there is enough to publish or to store, or none is left, and stores that as the page in hand.
func (r *pullReading) next(ctx context.Context) error {
	var gathered ledger.Found
	gathered.Source = r.pull.Source
	begun := r.fetcher.now()
	for pages := 1; ; pages++ {
		wanted, err := r.wanted(ctx)
		if err != nil {
			return err
		}
		page, next, err := r.session.Next(ctx, r.index, r.place, wanted)
		if err != nil {
			return r.refused(ctx, err, gathered)
		}
		next.Failures, next.Failing = 0, time.Time{}
		r.place = next
		r.page.Body = append(r.page.Body, page.Lines...)
		gathered.Wanted = append(gathered.Wanted, pointed(page.Wanted)...)
		gathered.There = append(gathered.There, pointed(page.There)...)
		gathered.Asked = append(gathered.Asked, pointed(page.Asked)...)
		if err := r.fetcher.ledger.Note(ctx, r.imp.ID, page.Notes...); err != nil {
			return err
		}
		switch {
		case next.Done && !r.pull.Follows && len(r.page.Body) == 0:
			return nil // there is nothing to be found again
		case next.Done, r.pull.Follows, len(r.page.Body) >= heldBytes, pages >= heldPages, r.fetcher.now().Sub(begun) >= heldTime:
			return r.keep(ctx, gathered)
		}
	}
}

// keep stores the page in hand, unless another fetcher has the import too and went on: since requests are delivered again where a fetcher
// does not answer for a while, or an import is resumed. Then the request is handed back, for when that one may have died.
func (r *pullReading) keep(ctx context.Context, found ledger.Found) error {
	var err error
	if r.page.Place, err = json.Marshal(r.place); err != nil {
		return fmt.Errorf("encode how far a file was read: %w", err)
	}
	if r.page.Body == nil {
		r.page.Body = []byte{}
	}
	err = r.fetcher.ledger.KeepPage(ctx, r.imp.ID, r.file.Index, r.kept, r.page, found)
	if errors.Is(err, ledger.ErrOvertaken) {
		return bus.Later(err.Error(), overtakenDelay)
	}
	if err != nil {
		return err
	}
	r.kept = ledger.Page{Offset: r.page.Offset, Place: r.page.Place}
	if !r.place.Done || !r.pull.Follows {
		return nil
	}
	lacks, err := r.fetcher.ledger.Lacks(ctx, r.imp.ID, r.pull.Source)
	if err != nil || !lacks {
		return err
	}
	return r.fetcher.ledger.Note(ctx, r.imp.ID, lacksFollowed)
}

// wanted is what is to be asked for next of what is followed.
func (r *pullReading) wanted(ctx context.Context) (list []pull.Ref, err error) {
	if !r.pull.Follows || r.place.Next != "" {
		return nil, nil
	}
	some, err := r.fetcher.ledger.Wanted(ctx, r.imp.ID, r.pull.Source, pull.FollowAtOnce)
	for _, p := range some {
		list = append(list, pull.Ref(p))
	}
	return list, err
}

func pointed(list []pull.Ref) (all []ledger.Pointed) {
	for _, r := range list {
		all = append(all, ledger.Pointed(r))
	}
	return all
}

// Limits of a server that does not answer, or asks to wait.
const (
	pullAgain   = time.Minute // between attempts, at first
	pullSlow    = 15 * time.Minute
	maxPullWait = 24 * time.Hour // also since it last answered, until it is given up
)

// refused keeps what was gathered before a page that could not be had. Where that may pass, the request is handed back until it
// is tried again, and holds no worker meanwhile; else the file fails.
func (r *pullReading) refused(ctx context.Context, why error, gathered ledger.Found) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	busy := (*source.Busy)(nil)
	isBusy := errors.As(why, &busy)
	now := r.fetcher.now()
	if r.place.Failures == 0 {
		r.place.Failing = now
	}
	r.place.Failures++
	passes := isBusy || ofServer(why)
	if !passes || now.Sub(r.place.Failing) >= maxPullWait {
		why = fileError{why}
		passes = false
	}
	if err := r.keep(ctx, gathered); err != nil {
		return err
	}
	if err := r.publish(ctx, r.page.Offset, r.page.Line-1); err != nil {
		return err
	}
	if !passes {
		return why
	}
	wait := min(pullAgain<<min(r.place.Failures-1, 4), pullSlow)
	if isBusy {
		wait = busy.After
	}
	return r.fetcher.askLater(ctx, r.imp, why, wait)
}

// askLater hands the request for an import back until its server is to be asked again.
func (f *fetcher) askLater(ctx context.Context, imp fhirmsg.Import, why error, wait time.Duration) error {
	what := "the server is asked again later: " + why.Error()
	if err := f.ledger.SetWaiting(ctx, imp.ID, ledger.Waiting{For: what, Since: f.now()}); err != nil {
		return err
	}
	return bus.Later(what, min(wait, maxPullWait))
}

// ofServer reports whether an error is one of the server as a whole, and not of one page.
func ofServer(err error) bool {
	status := source.StatusError{}
	if errors.As(err, &status) {
		return status.Code == 429 || status.Code == 502 || status.Code == 503 || status.Code == 504
	}
	return source.Passes(err) && !errors.Is(err, source.ErrCut) && !errors.Is(err, source.ErrChanged)
}
