package smart

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/stoker-fhir/stoker/pkg/outbound"
	"github.com/stoker-fhir/stoker/pkg/supplier"
)

// How long keys that were fetched are good for, and how often they are fetched at most.
const (
	KeysEvery   = 30 * time.Second // also where an id is not among them, or the last fetch failed
	keysDefault = 5 * time.Minute  // where the server does not say (Cache-Control)
	keysLeast   = time.Minute
	keysMost    = time.Hour
	keysTimeout = 5 * time.Second // of a fetch, as a whole
)

// ErrKeys is that a client's keys cannot be had at the moment.
var ErrKeys = errors.New("the client's keys cannot be fetched at the moment")

// KeySets are the keys of clients. Those by URL are kept in memory. It may be used by several goroutines.
type KeySets struct {
	HTTP outbound.Config
	Now  func() time.Time // nil: the clock

	timeout time.Duration // 0: keysTimeout

	mu      sync.Mutex
	fetched map[string]*fetchedKeys // by supplier
}

// fetchedKeys are the keys of a URL. All fields but busy and url are guarded by KeySets.mu.
type fetchedKeys struct {
	url  string
	busy chan struct{} // held while fetching

	set   KeySet
	until time.Time
	asked time.Time // zero: never
	err   error     // of the last fetch
}

// find returns a supplier's keys of an id, for an algorithm; none is that there are none. Errors: [ErrKeys].
func (k *KeySets) find(ctx context.Context, s supplier.Supplier, id, alg string) ([]publicKey, error) {
	if s.JWKSURL == "" {
		set, err := ParseKeySet(s.JWKS)
		if err != nil {
			return nil, fmt.Errorf("%w: jwks: %w", ErrKeys, err)
		}
		return set.find(id, alg), nil
	}
	f := k.of(s)
	if found := k.known(f, id, alg); len(found) > 0 {
		return found, nil
	}
	select {
	case f.busy <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-f.busy }()
	if found := k.known(f, id, alg); len(found) > 0 {
		return found, nil // another request has fetched them
	}
	if k.due(f) {
		// Who hangs up must not count as a failure of the server.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cmp.Or(k.timeout, keysTimeout))
		set, life, err := k.fetch(ctx, s)
		cancel()
		k.keep(f, set, life, err)
	}
	k.mu.Lock()
	err := f.err
	k.mu.Unlock()
	if err != nil {
		return nil, fmt.Errorf("%w: jwks_url: %w", ErrKeys, err)
	}
	return k.known(f, id, alg), nil
}

func (k *KeySets) now() time.Time {
	if k.Now == nil {
		return time.Now()
	}
	return k.Now()
}

// of is what is known of a supplier's keys, of the URL that it has now.
func (k *KeySets) of(s supplier.Supplier) *fetchedKeys {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fetched == nil {
		k.fetched = map[string]*fetchedKeys{}
	}
	f := k.fetched[s.Name]
	if f == nil || f.url != s.JWKSURL {
		f = &fetchedKeys{url: s.JWKSURL, busy: make(chan struct{}, 1)}
		k.fetched[s.Name] = f
	}
	return f
}

func (k *KeySets) known(f *fetchedKeys, id, alg string) []publicKey {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.now().Before(f.until) {
		return nil
	}
	return f.set.find(id, alg)
}

// due reports whether keys may be fetched now.
func (k *KeySets) due(f *fetchedKeys) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return f.asked.IsZero() || k.now().Sub(f.asked) >= KeysEvery
}

// keep notes what a fetch brought. Keys that were fetched before stay good until their time is over.
func (k *KeySets) keep(f *fetchedKeys, set KeySet, life time.Duration, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f.asked, f.err = k.now(), err
	if err == nil {
		f.set, f.until = set, f.asked.Add(life)
	}
}

// fetch asks for a set of keys, and returns for how long it is good. Errors hold nothing that the server sent.
func (k *KeySets) fetch(ctx context.Context, s supplier.Supplier) (set KeySet, life time.Duration, err error) {
	u, err := outbound.ParseURL(s.JWKSURL)
	if err != nil {
		return set, 0, err
	}
	only := *u // no redirect leads elsewhere
	only.User, only.RawQuery, only.Fragment, only.RawFragment = nil, "", "", ""
	web, err := outbound.New(k.HTTP, &outbound.Policy{Prefixes: []string{only.String()}, InternalHosts: s.InternalHosts, MaxBody: maxKeySet})
	if err != nil {
		return set, 0, err
	}
	defer web.Close()
	got, err := ask(ctx, web, outbound.Request{URL: u, Header: http.Header{"Accept": {"application/jwk-set+json, application/json"}}})
	if err != nil {
		return set, 0, err
	}
	if got.status != http.StatusOK {
		return set, 0, fmt.Errorf("the server answered %d", got.status)
	}
	set, err = ParseKeySet(got.body)
	return set, keysLife(got.header.Get("Cache-Control")), err
}

// keysLife reads for how long an answer is good (RFC 9111, section 5.2.2), within limits.
func keysLife(cacheControl string) time.Duration {
	life := keysDefault
	for directive := range strings.SplitSeq(strings.ToLower(cacheControl), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch name {
		case "no-store", "no-cache":
			return keysLeast
		case "max-age":
			if seconds, err := strconv.ParseInt(strings.Trim(value, `"`), 10, 32); err == nil {
				life = time.Duration(seconds) * time.Second
			}
		}
	}
	return min(max(life, keysLeast), keysMost)
}
