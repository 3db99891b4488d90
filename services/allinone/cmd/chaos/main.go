// Command chaos breaks the pipeline while it imports; see `make chaos`.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/stoker-fhir/stoker/pkg/lifecycle"
	"github.com/stoker-fhir/stoker/services/allinone/internal/chaos"
)

func main() { os.Exit(lifecycle.Main("chaos", os.Stderr, run)) }

func run(ctx context.Context) (err error) {
	opts := chaos.Options{Long: true, Patience: 90 * time.Second}
	flag.StringVar(&opts.Programs, "programs", "out/bin", "folder of nats-server, fetcher, parser and writer")
	flag.IntVar(&opts.Patients, "patients", 200, "patients to generate, about 1,100 lines each")
	flag.IntVar(&opts.Faults, "faults", 20, "faults in a round")
	flag.DurationVar(&opts.Longest, "longest", 4*time.Second, "longest time that a fault lasts, save for a few")
	rounds := flag.Int("rounds", 5, "rounds, each with the next seed")
	seed := flag.Uint64("seed", 0, "seed of the first round; 0 is another one each time")
	flag.Parse()
	if *seed == 0 {
		*seed = uint64(time.Now().Unix())
	}
	if opts.Dir, err = os.MkdirTemp("", "stoker-chaos-"); err != nil {
		return err
	}
	if err := os.Chmod(opts.Dir, 0o755); err != nil { // PostgreSQL runs under another user when this runs as root
		return err
	}
	failed := 0
	for i := range uint64(*rounds) {
		result, err := chaos.Round(ctx, opts, *seed+i)
		if failure := (*chaos.Failure)(nil); errors.As(err, &failure) {
			failed++
			fmt.Printf("round %d FAILED, %v\n%v\n%s\n", i+1, result, err, failure.Report)
			continue
		}
		if ctx.Err() != nil { // interrupted: nothing to be learned from logs
			return errors.Join(err, os.RemoveAll(opts.Dir))
		}
		if err != nil {
			return err
		}
		fmt.Printf("round %d ok, %v\n", i+1, result)
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d rounds failed; logs are in %s", failed, *rounds, opts.Dir)
	}
	fmt.Printf("%d rounds without a difference, seeds %d to %d\n", *rounds, *seed, *seed+uint64(*rounds)-1)
	return os.Remove(opts.Dir)
}
