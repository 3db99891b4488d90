package fetcher

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/stoker-fhir/stoker/pkg/bus"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/telemetry"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/export"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/source"
)

// claimFor is how long an export is kept for who makes a request about it, and is kept for again while that is under way. So
// nobody else waits much longer than this for a fetcher that died.
const claimFor = 2 * fhirmsg.AckWait

// now is the time by the fetcher's clock.
func (f *fetcher) now() time.Time {
	if f.source.Now != nil {
		return f.source.Now()
	}
	return time.Now()
}

// ledgerError is one of the ledger, or a wish of the queue, where others are of a source.
type ledgerError struct{ error }

// ledgerStates are the ledger's words for how far a job is.
var ledgerStates = map[export.State]ledger.ExportState{
	export.Asking: ledger.ExportAsking, export.UnderWay: ledger.ExportUnderWay,
	export.Ready: ledger.ExportReady, export.Failed: ledger.ExportFailed,
}

// awaitExports makes one step of each export that sources ask for and that is due. Where one is not at its end the request is
// handed back until the next step is due, so that no worker waits; else it returns the exports, by source.
func (f *fetcher) awaitExports(ctx context.Context, imp fhirmsg.Import, sources []fhirmsg.Source) (map[int]ledger.Export, error) {
	ended := map[int]ledger.Export{}
	var next time.Time
	var what string
	for i, s := range sources {
		if s.Export == nil {
			continue
		}
		e, why, err := f.stepExport(ctx, imp.ID, int32(i), s)
		switch {
		case err != nil:
			return nil, err
		case e.State == ledger.ExportReady, e.State == ledger.ExportFailed:
			ended[i] = e
		case next.IsZero() || e.Next.Before(next):
			next, what = e.Next, why
		}
	}
	if next.IsZero() && len(ended) == 0 {
		return nil, nil
	}
	if err := f.ledger.SetWaiting(ctx, imp.ID, ledger.Waiting{For: what, Since: f.now()}); err != nil || next.IsZero() {
		return ended, err
	}
	return nil, bus.Later(what, max(next.Sub(f.now()), 0))
}

// stepExport makes the next request of an export, if it is due and nobody else's, and says what it waits for then.
func (f *fetcher) stepExport(ctx context.Context, id fhirmsg.ImportID, i int32, s fhirmsg.Source) (e ledger.Export, what string, err error) {
	now := f.now()
	e, claimed, err := f.ledger.ClaimExport(ctx, id, i, now, now.Add(claimFor))
	if err != nil {
		return e, "", err
	}
	job, err := jobOf(e)
	if err != nil {
		return e, "", err
	}
	site, err := source.NewSite(s, f.source)
	if err != nil {
		return f.keepExport(ctx, e, export.Job{State: export.Failed, Reason: err.Error()}, 0)
	}
	defer site.Close()
	if !claimed {
		return e, job.Waits(site.URL()), nil
	}
	client := export.Client{Site: site, Now: f.now}
	release := f.hold(ctx, e, claimFor/3)
	next, wait, err := client.Step(ctx, *s.Export, job)
	release()
	if err != nil {
		return e, "", err
	}
	e, _, err = f.keepExport(ctx, e, next, wait)
	if !errors.Is(err, ledger.ErrOvertaken) {
		return e, next.Waits(site.URL()), err
	}
	if job.Status == "" && next.Status != "" { // it was asked for twice
		if _, err := client.Remove(ctx, next); err != nil {
			f.deps.Log.Warn().Stringer(telemetry.FieldImport, id).Err(err).Msg("an export that is nobody's could not be removed from its server and is left there")
		}
	}
	return e, "", bus.Later(err.Error(), claimFor)
}

// hold keeps an export that was claimed from others, at times, until it is released.
func (f *fetcher) hold(ctx context.Context, e ledger.Export, every time.Duration) (release func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				err := f.ledger.HoldExport(ctx, e, f.now().Add(claimFor))
				if errors.Is(err, ledger.ErrOvertaken) {
					return
				}
				if err != nil && ctx.Err() == nil {
					f.deps.Log.Warn().Err(err).Stringer(telemetry.FieldImport, e.Import).Msg("an export is asked for, and another fetcher may do so too")
				}
			}
		}
	}()
	return func() {
		cancel()
		<-ended
	}
}

func jobOf(e ledger.Export) (job export.Job, err error) {
	if err := json.Unmarshal(e.Job, &job); err != nil {
		return job, fmt.Errorf("export %d of import %s was not stored in a form that this version reads: %w", e.Source, e.Import, err)
	}
	return job, nil
}

func (f *fetcher) keepExport(ctx context.Context, e ledger.Export, job export.Job, wait time.Duration) (ledger.Export, string, error) {
	var err error
	if e.Job, err = json.Marshal(job); err != nil {
		return e, "", fmt.Errorf("encode an export: %w", err)
	}
	e.State, e.Next = ledgerStates[job.State], f.now().Add(wait)
	return e, "", f.ledger.KeepExport(ctx, e)
}

// listExport lists the files of an export that is at its end. Its errors are why there are none, or a [ledgerError].
func (f *fetcher) listExport(ctx context.Context, imp fhirmsg.Import, s fhirmsg.Source, e ledger.Export) ([]source.File, []source.Skipped, error) {
	job, err := jobOf(e)
	switch {
	case err != nil:
		return nil, nil, err
	case job.State == export.Failed:
		return nil, nil, errors.New(job.Reason)
	case job.Nothing:
		const nothing = "the server answered 404 to an export of changes, which is taken for nothing new; what time it is of is not known"
		if err := f.ledger.Note(ctx, imp.ID, nothing); err != nil {
			return nil, nil, ledgerError{err}
		}
		return nil, nil, nil
	}
	exported, err := source.ListExport(ctx, s, job.Status, f.source)
	if errors.Is(err, source.ErrNotYet) {
		again, wait := export.Client{Now: f.now}.NotYet(job, err)
		if _, _, err := f.keepExport(ctx, e, again, wait); err != nil {
			return nil, nil, ledgerError{err}
		}
		return nil, nil, ledgerError{bus.Later(again.Reason, wait)}
	}
	if err != nil {
		return nil, nil, err
	}
	if exported.Time.IsZero() {
		exported.Notes = append(exported.Notes, "the manifest of the export has no transaction time, so what to ask for the next time is not known")
	} else {
		e.At = &exported.Time
	}
	if err := f.ledger.Note(ctx, imp.ID, exported.Notes...); err != nil {
		return nil, nil, ledgerError{err}
	}
	if _, _, err := f.keepExport(ctx, e, job, 0); err != nil {
		return nil, nil, ledgerError{err}
	}
	return exported.Files, exported.Skipped, nil
}
