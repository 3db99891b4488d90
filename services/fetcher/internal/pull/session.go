package pull

import (
	"context"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/source"
)

// defaultConcurrency is how many requests are made at once.
const defaultConcurrency = 4

// maxAhead is how much this process holds of what was read ahead, in bytes: as much as one pull at most may. How many requests a
// pull makes at once is the requester's to choose.
const maxAhead = (fhirmsg.MaxPullConcurrency - 1) * source.MaxAnswer

var ahead = semaphore.NewWeighted(maxAhead)

// Session is a server that is asked for the files of one pull. It is for one goroutine, but for its own; [Session.Close] ends
// those.
//
// While a page is awaited and published, the first pages of queries that follow are asked for already, as far as requests at
// once allow, and what this process may hold. What is read ahead and not used is forgotten.
type Session struct {
	site  *source.Site
	ctx   context.Context //nolint:containedctx // of what is read ahead
	end   context.CancelFunc
	group sync.WaitGroup
	now   func() time.Time

	files   []source.Pull // of the pull, in order, for what is read ahead
	atOnce  int
	cohort  bool // it is asked who the patients are: a query that is refused is a failure
	pending map[spot]*pending
	room    *semaphore.Weighted // in bytes, for what is read ahead
}

// spot is the first page of a query.
type spot struct{ file, query int }

// pending is an answer that is on its way.
type pending struct {
	done   chan struct{}
	answer source.Answer
	err    error
	held   int64 // bytes of the room, when done
}

// Open begins a session. l is the place of any file of the pull. Files are all that will be read, in order.
func Open(ctx context.Context, l source.Locator, cfg source.Config, files []source.Pull) (*Session, error) {
	cfg = cfg.WithDefaults()
	s := &Session{now: cfg.Now, files: files, atOnce: defaultConcurrency, pending: map[spot]*pending{}, room: ahead}
	if l.Pull != nil {
		cfg.Pace = newPace(l.Pull.Rate, cfg).wait
		if l.Pull.Concurrency > 0 {
			s.atOnce = l.Pull.Concurrency
		}
	}
	var err error
	if s.site, err = source.PullSite(l, cfg); err != nil {
		return nil, err
	}
	s.ctx, s.end = context.WithCancel(ctx)
	return s, nil
}

// Close ends all requests.
func (s *Session) Close() {
	s.end()
	s.group.Wait()
	for _, p := range s.pending {
		s.room.Release(p.held)
	}
	clear(s.pending)
	s.site.Close()
}

// base is the server's URL with a slash at its end.
func (s *Session) base() string { return strings.TrimSuffix(s.site.URL().String(), "/") + "/" }

// Name is what a file is called, for people.
func (s *Session) Name(f File) string { return s.site.PullName(f.Path...) }

// url is that of a query.
func (s *Session) url(query string) (*url.URL, error) { return url.Parse(s.base() + query) }

// first asks for the first page of a query, and for some of those that follow it.
func (s *Session) first(ctx context.Context, at spot, u *url.URL) (source.Answer, error) {
	mine := s.pending[at]
	delete(s.pending, at)
	s.ahead(at)
	if mine == nil {
		return s.site.Get(ctx, u)
	}
	select {
	case <-ctx.Done():
		s.pending[at] = mine
		return source.Answer{}, ctx.Err()
	case <-mine.done:
		s.room.Release(mine.held)
		return mine.answer, mine.err
	}
}

// ahead asks for the first pages of the queries behind a spot.
func (s *Session) ahead(at spot) {
	for file := at.file; file < len(s.files); file++ {
		for query := range s.files[file].Queries {
			next := spot{file, query}
			if file == at.file && query <= at.query || s.pending[next] != nil {
				continue
			}
			if len(s.pending) >= s.atOnce-1 {
				return
			}
			u, err := s.url(s.files[file].Queries[query])
			if err != nil {
				return // it is told when it is asked for
			}
			if !s.room.TryAcquire(source.MaxAnswer) {
				return // without it all goes on, slower
			}
			p := &pending{done: make(chan struct{})}
			s.pending[next] = p
			s.group.Go(func() {
				defer close(p.done)
				p.answer, p.err = s.site.Get(s.ctx, u)
				p.held = min(int64(cap(p.answer.Body)), source.MaxAnswer)
				s.room.Release(source.MaxAnswer - p.held)
			})
		}
	}
}

// pace is the least time between two requests.
type pace struct {
	every time.Duration
	now   func() time.Time
	sleep func(context.Context, time.Duration) error

	mu   sync.Mutex
	next time.Time
}

func newPace(rate float64, cfg source.Config) *pace {
	p := &pace{now: cfg.Now, sleep: cfg.Sleep}
	if rate > 0 {
		p.every = time.Duration(float64(time.Second) / rate)
	}
	return p
}

// wait waits until the next request may be made.
func (p *pace) wait(ctx context.Context) error {
	if p.every == 0 {
		return nil
	}
	p.mu.Lock()
	now := p.now()
	at := p.next
	if at.Before(now) {
		at = now
	}
	p.next = at.Add(p.every)
	p.mu.Unlock()
	if d := at.Sub(now); d > 0 {
		return p.sleep(ctx, d)
	}
	return nil
}
