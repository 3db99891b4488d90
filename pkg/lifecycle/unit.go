package lifecycle

import (
	"context"
	"time"
)

// Unit returns a context for finishing the unit in hand: it has ctx's values and outlives
// it by grace. While ctx lives, it lives. Call cancel when the unit is finished.
func Unit(ctx context.Context, grace time.Duration) (unit context.Context, cancel context.CancelFunc) {
	unit, end := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-timer.C:
			end(context.DeadlineExceeded)
		case <-unit.Done():
		}
	})
	return unit, func() {
		stop()
		end(nil)
	}
}
