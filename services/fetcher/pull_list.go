package fetcher

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/pull"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/source"
)

// listPull lists the files of a pull, after who its patients are is known. Its errors are why there are none, or a
// [ledgerError]. What was changed when the import was accepted is in them, and what changed later may not be.
func (f *fetcher) listPull(ctx context.Context, imp fhirmsg.Import, index int32, s fhirmsg.Source) ([]source.File, []source.Skipped, error) {
	if s.Pull.Deletions && imp.Mode != fhirmsg.ModeSync {
		return nil, nil, fmt.Errorf("deletions of a history can only be imported in mode %s, where their times count", fhirmsg.ModeSync)
	}
	at, err := source.PullFile(s, "", source.Pull{Source: index, Concurrency: s.Pull.Concurrency, Rate: s.Pull.Rate})
	if err != nil {
		return nil, nil, err
	}
	session, err := pull.Open(ctx, at.Locator, f.source, nil)
	if err != nil {
		return nil, nil, err
	}
	defer session.Close()
	inTime, cancel := context.WithTimeout(ctx, f.source.TimeToList())
	defer cancel()
	patients, notes, err := session.Patients(inTime, *s.Pull)
	wait := f.listAgain(inTime, imp, err)
	switch {
	case wait > 0:
		return nil, nil, ledgerError{f.askLater(ctx, imp, err, wait)}
	case err != nil && ctx.Err() == nil && inTime.Err() != nil:
		return nil, nil, fmt.Errorf("the cohort was not known within %s", f.source.TimeToList())
	case err != nil:
		return nil, nil, err
	}
	if len(patients) == 0 {
		notes = append(notes, "the cohort has no patients")
	}
	if err := f.ledger.Note(ctx, imp.ID, notes...); err != nil {
		return nil, nil, ledgerError{err}
	}
	plan, err := pull.Plan(*s.Pull, patients)
	if err != nil {
		return nil, nil, err
	}
	files := make([]source.File, 0, len(plan))
	for _, planned := range plan {
		file, err := source.PullFile(s, session.Name(planned), source.Pull{
			Source: index, Queries: planned.Queries, History: planned.History, Follows: planned.Follows, Types: s.Pull.Follow,
			Concurrency: s.Pull.Concurrency, Rate: s.Pull.Rate,
		})
		if err != nil {
			return nil, nil, err
		}
		if planned.Follows || planned.History {
			file.Locator.Asked = nil // what is followed is of any time
		}
		issued := imp.Issued
		file.AsOf = &issued
		files = append(files, file)
	}
	var skipped []source.Skipped
	if f.source.Whole {
		skipped = append(skipped, source.Skipped{Name: source.Name(s), Reason: "what is pulled of a cohort is a part of what the server has"})
	}
	return files, skipped, nil
}

// listAgain is when a server is asked again who the patients are, after an error; 0: never.
func (f *fetcher) listAgain(ctx context.Context, imp fhirmsg.Import, err error) time.Duration {
	busy := (*source.Busy)(nil)
	switch {
	case err == nil || ctx.Err() != nil || f.now().Sub(time.UnixMicro(imp.Issued)) >= maxPullWait:
		return 0
	case errors.As(err, &busy):
		return busy.After
	case ofServer(err):
		return pullSlow
	default:
		return 0
	}
}

// pulls are the files of an import that are of pulls, and the sessions in which they are read.
type pulls struct {
	locators map[int32]source.Locator
	index    map[int32]int           // of a file in its session
	files    map[int32][]source.Pull // of a session, by the source that it is of
	sessions map[int32]*pull.Session
}

func newPulls(files []ledger.File) *pulls {
	p := &pulls{locators: map[int32]source.Locator{}, index: map[int32]int{}, files: map[int32][]source.Pull{}, sessions: map[int32]*pull.Session{}}
	for _, file := range files {
		if file.State == "closed" || file.State == "failed" {
			continue
		}
		var l source.Locator
		if err := json.Unmarshal(file.Locator, &l); err != nil || l.Pull == nil {
			continue // fetchFile says what is wrong with it
		}
		p.locators[file.Index], p.index[file.Index] = l, len(p.files[l.Pull.Source])
		p.files[l.Pull.Source] = append(p.files[l.Pull.Source], *l.Pull)
	}
	return p
}

func (p *pulls) has(file int32) bool {
	_, ok := p.index[file]
	return ok
}

// with is how files of pulls are fetched.
func (p *pulls) with(f *fetcher) func(context.Context, fhirmsg.Import, ledger.File, *credit) error {
	return func(ctx context.Context, imp fhirmsg.Import, file ledger.File, c *credit) error {
		return f.fetchPull(ctx, imp, file, c, p)
	}
}

// session is that of a file's source, which begins with its first file. It ends with the context.
func (p *pulls) session(ctx context.Context, f *fetcher, l source.Locator) (*pull.Session, error) {
	if s := p.sessions[l.Pull.Source]; s != nil {
		return s, nil
	}
	s, err := pull.Open(ctx, l, f.source, p.files[l.Pull.Source])
	if err == nil {
		p.sessions[l.Pull.Source] = s
	}
	return s, err
}

func (p *pulls) close() {
	for _, s := range p.sessions {
		s.Close()
	}
}
