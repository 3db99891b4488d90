package lifecycle

import (
	"context"
	"fmt"
	"time"

	"github.com/rs/zerolog"
)

// Retry calls f until it succeeds, so that services may start in any order: what f needs may
// not be up yet. It logs the first failure and then every tenth, but not that the context has ended, and ends with
// that, returning f's last error.
func Retry(ctx context.Context, log zerolog.Logger, what string, f func(context.Context) error) error {
	wait := 100 * time.Millisecond
	for attempt := 1; ; attempt++ {
		err := f(ctx)
		if err == nil {
			return nil
		}
		if attempt%10 == 1 && ctx.Err() == nil {
			log.Warn().Err(err).Int("attempt", attempt).Msg(what + ": waiting")
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("%s: %w", what, err)
		case <-timer.C:
		}
		wait = min(2*wait, 3*time.Second)
	}
}
