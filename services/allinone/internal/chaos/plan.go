package chaos

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// kind is what a fault does; see the package's documentation.
type kind string

const (
	kill     kind = "kill"
	quit     kind = "quit"
	backend  kind = "backend"
	stop     kind = "stop"
	cut      kind = "cut"
	refuse   kind = "refuse"
	hole     kind = "hole"
	deaf     kind = "deaf"
	halfOpen kind = "halfopen"
	slow     kind = "slow"
)

// fault is one step of a plan.
type fault struct {
	at     float64 // the share of the work that is done when it strikes
	part   string
	kind   kind
	length time.Duration // how long it lasts
	chance uint64        // for what is left to chance within it
}

func (f fault) String() string {
	return fmt.Sprintf("at %.2f %s %s for %v", f.at, f.part, f.kind, f.length)
}

// Parts of the pipeline, as plans and reports name them. A link is named by its ends.
var (
	services = []string{"fetcher", "parser-1", "parser-2", "writer-1", "writer-2"}
	links    = []string{
		"fetcher-nats", "parser-1-nats", "parser-2-nats", "writer-1-nats", "writer-2-nats",
		"fetcher-postgres", "writer-1-postgres", "writer-2-postgres",
	}
)

const (
	natsServer = "nats"
	postgres   = "postgres"
)

// lastStrike leaves the end of the work without a new fault.
const lastStrike = 0.95

// makePlan draws n faults in the order in which they strike. None lasts longer than longest; stops
// may, now and then, where long is true: longer than a queue waits for a sign of life.
func makePlan(r *rand.Rand, n int, longest time.Duration, long bool) []fault {
	plan := make([]fault, n)
	for i := range plan {
		f := fault{at: r.Float64() * lastStrike, length: between(r, 50*time.Millisecond, longest), chance: r.Uint64()}
		switch p := r.IntN(100); {
		case p < 40:
			f.part, f.kind = pick(r, services), pick(r, []kind{kill, kill, kill, stop})
		case p < 53:
			f.part, f.kind = natsServer, pick(r, []kind{kill, kill, stop})
		case p < 70:
			f.part, f.kind = postgres, pick(r, []kind{kill, kill, quit, backend, stop})
		default:
			f.part, f.kind = pick(r, links), pick(r, []kind{cut, cut, refuse, hole, deaf, deaf, halfOpen, slow})
		}
		if long && f.kind == stop && r.IntN(6) == 0 {
			f.length = between(r, 16*time.Second, 20*time.Second)
		}
		plan[i] = f
	}
	slices.SortStableFunc(plan, func(a, b fault) int {
		switch {
		case a.at < b.at:
			return -1
		case a.at > b.at:
			return 1
		}
		return 0
	})
	return plan
}

func pick[T any](r *rand.Rand, of []T) T { return of[r.IntN(len(of))] }

// between is to a hundredth of a second, so that plans are easy to read.
func between(r *rand.Rand, low, high time.Duration) time.Duration {
	return (low + time.Duration(r.Int64N(int64(max(high-low, 1))))).Round(10 * time.Millisecond)
}
