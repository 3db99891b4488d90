package fetcher

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/reading"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/source"
)

// pin stores the list of files that the sources name. What cannot be listed is a file that
// failed, so that the rest goes on. A retry has the files of its original, under their numbers.
func (f *fetcher) pin(ctx context.Context, imp fhirmsg.Import, sources []fhirmsg.Source, exports map[int]ledger.Export) error {
	if imp.IsRetry() {
		files, skipped, err := f.ledger.RejectedFiles(ctx, imp.Retry)
		if err != nil {
			return err
		}
		return f.ledger.PinFiles(ctx, imp.ID, files, skipped)
	}
	var files []ledger.File
	var skipped []ledger.SkippedFile
	for i, s := range sources {
		var found []source.File
		var passed []source.Skipped
		var err error
		if s.Export != nil {
			found, passed, err = f.listExport(ctx, imp, s, exports[i])
		} else if s.Pull != nil {
			found, passed, err = f.listPull(ctx, imp, int32(i), s)
		} else {
			found, passed, err = source.List(ctx, s, f.source)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if own := (ledgerError{}); errors.As(err, &own) {
			return own.error
		}
		if err != nil {
			files = append(files, ledger.File{
				Name: source.Name(s), Type: s.Type, Locator: json.RawMessage("null"), State: "failed", Reason: err.Error(), Size: -1,
			})
		}
		for _, file := range found {
			entry, err := listEntry(file)
			if err != nil {
				return err
			}
			files = append(files, entry)
		}
		for _, p := range passed {
			skipped = append(skipped, ledger.SkippedFile{Name: p.Name, Reason: p.Reason})
		}
	}
	for i := range files {
		files[i].Index = int32(i)
	}
	return f.ledger.PinFiles(ctx, imp.ID, files, skipped)
}

// listEntry is a file as the ledger lists it.
func listEntry(f source.File) (ledger.File, error) {
	entry := ledger.File{
		Name: f.Name, Type: f.Type, State: "waiting", Size: f.Size, Kind: string(f.Kind), Count: f.Count, AsOf: f.AsOf,
		Subsetted: f.Subsetted,
	}
	if f.Problem != "" {
		entry.State, entry.Reason = "failed", f.Problem
	}
	var err error
	if entry.Locator, err = json.Marshal(f.Locator); err != nil {
		return entry, fmt.Errorf("encode a locator: %w", err)
	}
	return entry, nil
}

// fetchFile brings one file to its end, or to its failure. Errors are those of the database
// and the queue, and why the import is left; what is wrong with the file is in the ledger.
func (f *fetcher) fetchFile(ctx context.Context, imp fhirmsg.Import, file ledger.File, c *credit) error {
	var locator source.Locator
	if err := json.Unmarshal(file.Locator, &locator); err != nil {
		return f.closeFile(ctx, imp, file, "its place was not stored in a form that this version reads")
	}
	if err := c.allowance.begin(); err != nil {
		return f.ledger.CloseFile(ctx, imp.ID, file.Index, err.Error())
	}
	opts := reading.Options{ChunkSize: imp.ChunkSize, MaxLine: imp.MaxLine, Line: 1}
	if locator.Delivered != nil {
		opts.State = reading.Lines()
	}
	if file.Reading != nil {
		if err := json.Unmarshal(file.Reading, &opts.State); err != nil {
			return f.closeFile(ctx, imp, file, "its state was not stored in a form that this version reads")
		}
		offset, lines, err := f.ledger.ResumePoint(ctx, imp.ID, file.Index)
		if err != nil {
			return err
		}
		opts.Offset, opts.Line = offset, lines+1
	}
	r, err := reading.Open(ctx, source.File{Name: file.Name, Type: file.Type, Locator: locator, Size: file.Size}, f.source, opts)
	if err == nil {
		file.Size = r.State.Validator.Size
		err = f.readFile(ctx, imp, file, r, c, newHeed(file, locator.Asked))
		_ = r.Close() // only read from
	}
	failed := fileError{}
	switch {
	case err == nil:
		err = f.closeFile(ctx, imp, file, "")
	case ctx.Err() != nil:
		return err
	case errors.As(err, &failed), r == nil:
		f.deps.Log.Warn().Stringer("import", imp.ID).Int32("file", file.Index).Msg("a file failed; its reason is in the ledger")
		err = f.closeFile(ctx, imp, file, err.Error())
	}
	if err == nil && locator.Spool != "" {
		f.removeSpooled(string(locator.Spool))
	}
	return err
}

// closeFile states that a file was read to its end, or, with a reason, that it failed.
func (f *fetcher) closeFile(ctx context.Context, imp fhirmsg.Import, file ledger.File, reason string) error {
	s := fhirmsg.FileStatement{File: file.Index, State: "closed", Reason: reason, Size: file.Size}
	if reason != "" {
		s.State = "failed"
	}
	if err := f.journal.File(ctx, imp, s); err != nil {
		return err
	}
	return f.ledger.CloseFile(ctx, imp.ID, file.Index, reason)
}

// fileError is about a file's content or its source, which fails the file and nothing else.
type fileError struct{ error }

func (e fileError) Unwrap() error { return e.error }

// readFile publishes a file's chunks from where it is open.
func (f *fetcher) readFile(ctx context.Context, imp fhirmsg.Import, file ledger.File, r *reading.Reading, c *credit, h *heed) error {
	state, err := json.Marshal(r.State)
	if err != nil {
		return fmt.Errorf("encode a file's state: %w", err)
	}
	// Before the first chunk, so that whoever resumes knows what the chunks are of.
	if err := f.ledger.OpenFile(ctx, imp.ID, file.Index, state, r.State.Validator.Size); err != nil {
		return err
	}
	file.Reading = state
	p := newPublisher(ctx, f, imp, file, c)
	readErr := f.readPieces(ctx, imp, file, r, p, h)
	if err := f.ledger.Note(ctx, imp.ID, h.notes...); err != nil {
		return errors.Join(err, p.group.Wait())
	}
	now, err := p.finish(ctx, r.Read())
	switch {
	case err != nil:
		return err
	case readErr != nil:
		return readErr
	case now != ledger.StateFetching:
		return errHalted
	}
	return nil
}

// asOf is what the file's chunks carry of its transaction time: nothing where it does not count.
func asOf(imp fhirmsg.Import, file ledger.File) *int64 {
	if imp.Mode != fhirmsg.ModeSync || imp.AsOf != nil {
		return nil
	}
	return file.AsOf
}

func (f *fetcher) readPieces(ctx context.Context, imp fhirmsg.Import, file ledger.File, r *reading.Reading, p *publisher, h *heed) error {
	var halted error // while a line without an end was passed over
	r.WhileSkipping(func(end int64) error {
		if err := p.credit.allowance.reach(end, p.credit.allowance.fileLines); err != nil {
			return err
		}
		var state ledger.State
		if state, halted = p.flush(ctx, r.Read(), false); halted == nil {
			halted = f.halted(state)
		}
		return halted
	})
	for {
		piece, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if halted != nil {
			return halted
		}
		if err != nil {
			return fileError{err}
		}
		if err := p.credit.allowance.reach(piece.Offset+piece.Length, piece.FirstLine-1+piece.Lines); err != nil {
			return fileError{err}
		}
		noted := len(h.notes)
		h.look(piece)
		if h.outcome && len(h.notes) > noted {
			// Before what it is on can be stated: whoever resumes behind it does not see it again.
			if err := f.ledger.Note(ctx, imp.ID, h.notes...); err != nil {
				return err
			}
		}
		chunk := fhirmsg.Chunk{
			ChunkHeader: fhirmsg.ChunkHeader{
				Import: imp, Place: fhirmsg.Place{File: file.Index, Offset: piece.Offset, Length: piece.Length},
				FirstLine: piece.FirstLine, Lines: piece.Lines, Type: file.Type, Document: piece.Document, TooLong: piece.TooLong,
				Outcome: file.Kind == ledger.KindOutcome, AsOf: asOf(imp, file), Subsetted: file.Subsetted,
			},
			Body: piece.Body,
		}
		if err := p.publish(ctx, chunk, r.Read()); err != nil {
			return err
		}
		state, err := p.flush(ctx, r.Read(), false)
		if err != nil {
			return err
		}
		if err := f.halted(state); err != nil {
			return err
		}
	}
}

// removeSpooled removes content that was handed in and is on its way for certain.
func (f *fetcher) removeSpooled(name string) {
	root, err := os.OpenRoot(f.cfg.SpoolDir)
	if err == nil {
		err = errors.Join(root.Remove(name), root.Close())
	}
	if pathErr := (*fs.PathError)(nil); errors.As(err, &pathErr) {
		err = pathErr.Err // names of files may say who a patient is (invariant 8)
	}
	if err != nil {
		f.deps.Log.Warn().Err(err).Msg("spooled content was not removed")
	}
}
