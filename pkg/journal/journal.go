package journal

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/stoker-fhir/stoker/pkg/bus"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// Journal publishes what the ledger says. Its fields stay the caller's to close.
type Journal struct {
	Bus    *bus.Bus
	Ledger *ledger.Ledger
}

// Imports publishes the states of imports that changed.
func (j Journal) Imports(ctx context.Context) error {
	for {
		changed, err := j.Ledger.Unpublished(ctx)
		if err != nil || len(changed) == 0 {
			return err
		}
		if err := j.imports(ctx, changed); err != nil {
			return err
		}
	}
}

// Import publishes the state of one import, if it changed.
func (j Journal) Import(ctx context.Context, id fhirmsg.ImportID) error {
	changed, err := j.Ledger.UnpublishedOf(ctx, id)
	if err != nil {
		return err
	}
	return j.imports(ctx, changed)
}

func (j Journal) imports(ctx context.Context, changed []fhirmsg.ImportStatement) error {
	for _, s := range changed {
		subject := fhirmsg.JournalImportSubject(s.Import.Supplier, s.Import.ID)
		if err := j.publish(ctx, subject, fhirmsg.JournalImport, s); err != nil {
			return err
		}
		if err := j.Ledger.Published(ctx, s.Import.ID, s.Change); err != nil {
			return err
		}
	}
	return nil
}

// listed is how many files are in one message.
const listed = 1000

// Files publishes the list of an import's files.
func (j Journal) Files(ctx context.Context, imp fhirmsg.Import, files []ledger.File, skipped []ledger.SkippedFile) error {
	subject := fhirmsg.JournalSubject(fhirmsg.JournalFiles, imp.Supplier)
	for part := range slices.Chunk(files, listed) {
		list := fhirmsg.FileList{Import: imp.ID}
		for _, f := range part {
			entry := fhirmsg.ListedFile{File: f.Index, Name: f.Name, Type: f.Type, Locator: f.Locator, Size: f.Size, State: "waiting", Kind: f.Kind, Count: f.Count, Subsetted: f.Subsetted}
			if f.AsOf != nil {
				asOf := time.UnixMicro(*f.AsOf)
				entry.AsOf = &asOf
			}
			if f.State == "failed" && f.Reading == nil {
				entry.State, entry.Reason = f.State, f.Reason
			}
			list.Files = append(list.Files, entry)
		}
		if err := j.publish(ctx, subject, fhirmsg.JournalFiles, list); err != nil {
			return err
		}
	}
	for part := range slices.Chunk(skipped, listed) {
		list := fhirmsg.FileList{Import: imp.ID}
		for _, s := range part {
			list.Skipped = append(list.Skipped, fhirmsg.Skipped{Name: s.Name, Reason: s.Reason})
		}
		if err := j.publish(ctx, subject, fhirmsg.JournalFiles, list); err != nil {
			return err
		}
	}
	return nil
}

// File publishes how far a file was read.
func (j Journal) File(ctx context.Context, imp fhirmsg.Import, s fhirmsg.FileStatement) error {
	s.Import = imp.ID
	return j.publish(ctx, fhirmsg.JournalSubject(fhirmsg.JournalFile, imp.Supplier), fhirmsg.JournalFile, s)
}

// Absent publishes the file that has a snapshot's deletions, which are stated like what a parser makes of chunks.
func (j Journal) Absent(ctx context.Context, imp fhirmsg.Import, file int32) error {
	list := fhirmsg.FileList{Import: imp.ID, Files: []fhirmsg.ListedFile{ledger.AbsentFile(file)}}
	return j.publish(ctx, fhirmsg.JournalSubject(fhirmsg.JournalFiles, imp.Supplier), fhirmsg.JournalFiles, list)
}

// Dataset publishes what was changed of a dataset as a whole.
func (j Journal) Dataset(ctx context.Context, s fhirmsg.DatasetStatement) error {
	return j.publish(ctx, fhirmsg.JournalSubject(fhirmsg.JournalDataset, s.Dataset), fhirmsg.JournalDataset, s)
}

// Written publishes what became of batches of one dataset, which have the sequences.
func (j Journal) Written(ctx context.Context, dataset string, written []ledger.Written, sequences []uint64) error {
	var message fhirmsg.Written
	for i, w := range written {
		message.Batches = append(message.Batches, fhirmsg.WrittenBatch{
			Import: w.Batch.Import.ID, File: w.Batch.File, Offset: w.Batch.Offset, Type: w.Batch.Type, Part: w.Batch.Part,
			Fingerprint: w.Batch.Fingerprint, Sequence: sequences[i], Conflicts: w.Counts.Conflicts, Foreign: w.Counts.Foreign, Rows: len(w.Outcomes),
		})
		message.Outcomes = append(message.Outcomes, w.Outcomes...)
	}
	if len(written) == 0 {
		return nil
	}
	msg, id, err := message.Encode()
	if err != nil {
		return bus.Permanent(err)
	}
	return j.Bus.Publish(ctx, fhirmsg.JournalSubject(fhirmsg.JournalWritten, dataset), id, msg)
}

func (j Journal) publish(ctx context.Context, subject, kind string, statement any) error {
	msg, err := json.Marshal(statement)
	if err != nil {
		return fmt.Errorf("encode a statement for the journal: %w", err)
	}
	return j.Bus.Publish(ctx, subject, fhirmsg.JournalID(kind, msg), msg)
}
