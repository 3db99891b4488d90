package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/stoker-fhir/stoker/pkg/bus"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// Margin is how much earlier than asked for statements are read: the clocks of NATS and PostgreSQL may
// differ, and what a parser said may have waited to be recorded. What is there already stays as it is.
const Margin = 10 * time.Minute

// gathered is how many statements are recorded at once.
const gathered = 100

// ErrReach is returned where statements were trimmed that may be needed.
var ErrReach = errors.New("does not reach back far enough")

// Changes is what was restored that is not the ledger's alone to do.
type Changes struct {
	Imports   int                        // how many were brought up to date
	Discarded []fhirmsg.ImportStatement  // imports, or files of them, that were discarded
	Datasets  []fhirmsg.DatasetStatement // in their order
	Foreign   int                        // messages that are no statements of Stoker; they were passed over
}

// Restore brings the ledger up to date with all that was stated since a time, but for what became of batches: that is
// kept beside, for the replay that writes them again. It may be repeated, and run beside everything else. available is
// to take what there is where statements were trimmed; otherwise the error is [ErrReach].
func (j Journal) Restore(ctx context.Context, since time.Time, available bool) (c Changes, err error) {
	from := reach{first: map[string]uint64{}, available: available}
	for _, stream := range []string{fhirmsg.StreamJournal, fhirmsg.StreamStatements, fhirmsg.StreamRejects} {
		if from.first[stream], err = j.from(ctx, stream, since.Add(-Margin), available); err != nil {
			return c, err
		}
	}
	// Imports come last: one that is found with its files and all that was parsed is
	// not taken for complete before.
	if err := j.read(ctx, fhirmsg.StreamJournal, from, func(ctx context.Context, msg bus.Message) error { return passOver(&c, j.restorePart(ctx, msg)) }); err != nil {
		return c, err
	}
	if err := j.restoreParsed(ctx, from); err != nil {
		return c, err
	}
	if err := j.read(ctx, fhirmsg.StreamRejects, from, j.restoreRejects); err != nil {
		return c, err
	}
	err = j.read(ctx, fhirmsg.StreamJournal, from, func(ctx context.Context, msg bus.Message) error { return passOver(&c, j.restoreWhole(ctx, &c, msg)) })
	return c, err
}

// reach is from where on each stream is read, and whether to take what there is where statements were trimmed.
type reach struct {
	first     map[string]uint64
	available bool
}

// from is the sequence to read a stream from.
func (j Journal) from(ctx context.Context, stream string, at time.Time, available bool) (uint64, error) {
	first, err := j.Bus.SequenceAt(ctx, stream, at)
	if err != nil || available {
		return first, err
	}
	// If the message before is gone, it may have come since that time, and others with it.
	intact, err := j.Bus.Intact(ctx, stream, max(first, 2)-1)
	if err == nil && !intact {
		err = fmt.Errorf("stream %s %w: what was stated at %s is gone", stream, ErrReach, at.UTC().Format(time.RFC3339))
	}
	return first, err
}

// read reads a stream to its end. All was there from its first sequence on when that was looked for, so that who reads fewer
// knows that some were trimmed since.
func (j Journal) read(ctx context.Context, stream string, from reach, each func(context.Context, bus.Message) error) error {
	last, err := j.Bus.LastSequence(ctx, stream)
	if err != nil {
		return err
	}
	next := from.first[stream]
	err = j.Bus.Read(ctx, stream, "", next, last, func(msg bus.Message) error {
		next++
		if err := each(ctx, msg); err != nil {
			return fmt.Errorf("message %d of %s: %w", msg.Sequence, stream, err)
		}
		return nil
	})
	if err != nil && !errors.Is(err, bus.ErrTrimmed) {
		return err
	}
	if next <= last && !from.available {
		return fmt.Errorf("stream %s %w: statements were trimmed while they were read", stream, ErrReach)
	}
	return nil
}

// kind is the third token of a subject, and name the one after it.
func kind(subject string) (kind, name string) {
	tokens := strings.Split(strings.TrimPrefix(subject, fhirmsg.SubjectJournal+"."), ".")
	if len(tokens) < 2 {
		return "", ""
	}
	return tokens[0], tokens[1]
}

// errForeign is that a message is none that Stoker published. Whoever may publish anything in JetStream can have the answer sent
// to a subject of the journal, so such messages are passed over.
var errForeign = errors.New("no statement of Stoker")

// decode reads a statement, of which is reports whether it can be one.
func decode[T any](msg []byte, is func(T) bool) (s T, err error) {
	if json.Unmarshal(msg, &s) != nil || !is(s) {
		return s, errForeign
	}
	return s, nil
}

// passOver counts a message that is not Stoker's.
func passOver(c *Changes, err error) error {
	if errors.Is(err, errForeign) {
		c.Foreign++
		return nil
	}
	return err
}

// importStatement reads the state of an import, which is of the subject's supplier and import.
func importStatement(msg bus.Message) (fhirmsg.ImportStatement, error) {
	return decode(msg.Data, func(s fhirmsg.ImportStatement) bool {
		return msg.Subject == fhirmsg.JournalImportSubject(s.Import.Supplier, s.Import.ID)
	})
}

// restorePart restores what is about a part of an import.
func (j Journal) restorePart(ctx context.Context, msg bus.Message) error {
	switch kind, name := kind(msg.Subject); kind {
	case fhirmsg.JournalFiles:
		list, err := decode(msg.Data, func(l fhirmsg.FileList) bool { return l.Import != fhirmsg.ImportID{} })
		if err != nil {
			return err
		}
		return j.Ledger.RestoreFileList(ctx, list)
	case fhirmsg.JournalFile:
		s, err := decode(msg.Data, func(s fhirmsg.FileStatement) bool { return s.Import != fhirmsg.ImportID{} })
		if err != nil {
			return err
		}
		return j.Ledger.RestoreFile(ctx, s)
	case fhirmsg.JournalWritten:
		w, err := fhirmsg.DecodeWritten(msg.Data)
		if err != nil {
			return errForeign
		}
		return j.Ledger.RestoreWritten(ctx, name, w)
	case fhirmsg.JournalImport, fhirmsg.JournalDataset: // later
		return nil
	}
	return errForeign
}

// restoreWhole restores what is about a whole import or dataset.
func (j Journal) restoreWhole(ctx context.Context, c *Changes, msg bus.Message) error {
	switch kind, name := kind(msg.Subject); kind {
	case fhirmsg.JournalImport:
		s, err := importStatement(msg)
		if err != nil {
			return err
		}
		restored, err := j.Ledger.RestoreImport(ctx, s)
		if restored {
			c.Imports++
		}
		if len(s.Discarded) > 0 {
			c.Discarded = append(c.Discarded, s)
		}
		return err
	case fhirmsg.JournalDataset:
		s, err := decode(msg.Data, func(s fhirmsg.DatasetStatement) bool { return s.Dataset == name })
		if err != nil {
			return err
		}
		c.Datasets = append(c.Datasets, s)
	}
	return nil
}

// restoreParsed restores what parsers stated.
func (j Journal) restoreParsed(ctx context.Context, from reach) error {
	var statements []fhirmsg.Statement
	err := j.read(ctx, fhirmsg.StreamStatements, from, func(ctx context.Context, msg bus.Message) error {
		s, err := fhirmsg.DecodeStatement(msg.Data)
		if err != nil {
			return nil //nolint:nilerr // it is among the dead letters, and the ledger never had it
		}
		if statements = append(statements, s); len(statements) < gathered {
			return nil
		}
		err = j.Ledger.RecordParsed(ctx, statements)
		statements = statements[:0]
		return err
	})
	if err != nil || len(statements) == 0 {
		return err
	}
	return j.Ledger.RecordParsed(ctx, statements)
}

func (j Journal) restoreRejects(ctx context.Context, msg bus.Message) error {
	group, err := fhirmsg.DecodeRejects(msg.Data)
	if err != nil {
		return nil //nolint:nilerr // it is among the dead letters, and the ledger never had it
	}
	return j.Ledger.RecordRejects(ctx, []fhirmsg.Rejects{group})
}

// Accepted makes the row of an import again that was accepted before the database was lost.
// Without a statement of it nothing is done.
func (j Journal) Accepted(ctx context.Context, id fhirmsg.ImportID) error {
	subject := fhirmsg.JournalImportSubject("*", id)
	last, ok, err := j.Bus.Last(ctx, fhirmsg.StreamJournal, subject)
	if err != nil || !ok {
		return err
	}
	s, err := importStatement(last)
	if err != nil { // what is not Stoker's hides what is
		ok = false
		if _, err := j.Bus.Scan(ctx, fhirmsg.StreamJournal, subject, func(msg bus.Message) error {
			if earlier, err := importStatement(msg); err == nil {
				s, ok = earlier, true
			}
			return nil
		}); err != nil || !ok {
			return err
		}
	}
	return j.Ledger.AcceptAgain(ctx, s)
}
