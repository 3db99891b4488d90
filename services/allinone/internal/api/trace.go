package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/stoker-fhir/stoker/pkg/bus"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/services/writer"
)

// Trace is every delivery of a resource that the queue still knows, oldest first, the
// rejected ones, and what is stored now.
type Trace struct {
	Dataset    string         `json:"dataset"`
	Resource   string         `json:"resource"` // Type/id
	Deliveries []Delivery     `json:"deliveries"`
	Stored     *writer.Stored `json:"stored"`          // null: nothing
	Since      *time.Time     `json:"since,omitempty"` // deliveries before were trimmed from the queue

	History []writer.Stored `json:"history,omitempty"` // every version, where the dataset keeps them; what ranks highest last
}

// Delivery is one time that a resource came.
type Delivery struct {
	Import  fhirmsg.ImportID `json:"import"`
	Issued  time.Time        `json:"issued"`
	File    string           `json:"file"`
	Line    int64            `json:"line"`
	Entry   int32            `json:"entry,omitempty"` // of a Bundle
	Deleted bool             `json:"deleted,omitempty"`
	Hash    fhirmsg.Hash     `json:"hash"`
	Outcome string           `json:"outcome"`
}

func (s *Server) trace(w http.ResponseWriter, r *http.Request) {
	dataset, typ, id := r.PathValue("dataset"), r.PathValue("type"), r.PathValue("id")
	if err := fhirmsg.CheckDataset(dataset); err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	t := Trace{Dataset: dataset, Resource: typ + "/" + id, Deliveries: []Delivery{}}
	if err := s.fill(r.Context(), &t, dataset, typ, id); err != nil {
		s.failLedger(w, err)
		return
	}
	reply(w, http.StatusOK, t)
}

func (s *Server) fill(ctx context.Context, t *Trace, dataset, typ, id string) error {
	var err error
	if t.Stored, err = s.Store.Stored(ctx, dataset, typ, id); err != nil {
		return err
	}
	if t.History, err = s.Store.History(ctx, dataset, typ, id); err != nil {
		return err
	}
	seen := map[string]bool{}
	since, err := s.Bus.Scan(ctx, fhirmsg.StreamResources, fhirmsg.ResourceSubject(dataset, typ), func(msg bus.Message) error {
		batch, err := fhirmsg.DecodeBatch(msg.Data, nil)
		if err != nil || seen[batch.MessageID()] {
			return err
		}
		index := -1
		for record, err := range batch.Records() {
			if err != nil {
				return err
			}
			index++
			if string(record.ID) != id {
				continue
			}
			seen[batch.MessageID()] = true
			d := Delivery{
				Import: batch.Import.ID, Issued: time.UnixMicro(batch.Import.AcceptedAt()).UTC(), Line: record.Line,
				Entry: record.Entry, Deleted: record.Deleted, Hash: record.Hash,
			}
			if d.File, d.Outcome, err = s.Ledger.OutcomeOf(ctx, batch.BatchHeader, index); err != nil {
				return err
			}
			t.Deliveries = append(t.Deliveries, d)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the queue: %w", err)
	}
	if !since.IsZero() {
		t.Since = &since
	}
	rejected, err := s.Ledger.RejectsOf(ctx, dataset, typ, id)
	if err != nil {
		return err
	}
	for _, r := range rejected {
		if slices.ContainsFunc(t.Deliveries, func(d Delivery) bool {
			return d.Import == r.Import && d.File == r.FileName && d.Line == r.Line && d.Entry == r.Entry
		}) {
			continue // refused by PostgreSQL, and known from the queue
		}
		t.Deliveries = append(t.Deliveries, Delivery{
			Import: r.Import, Issued: r.Issued, File: r.FileName, Line: r.Line, Entry: r.Entry, Outcome: ledger.Rejected.String(),
		})
	}
	slices.SortStableFunc(t.Deliveries, func(a, b Delivery) int { return a.Issued.Compare(b.Issued) })
	return nil
}
