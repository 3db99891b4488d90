// Command stoker is Stoker in one binary: the command line and, on demand, the whole
// pipeline with a private NATS server and PostgreSQL.
package main

import (
	"context"
	"os"
	_ "time/tzdata" // of schedules, where the system has no database of time zones

	"github.com/stoker-fhir/stoker/pkg/lifecycle"
	"github.com/stoker-fhir/stoker/services/allinone/internal/cli"
)

// memory is what the three services and the queue in one process use without haste.
const memory = 512 << 20

func main() {
	lifecycle.UseMemory(memory, os.Environ())
	os.Exit(lifecycle.Main("stoker", os.Stderr, func(ctx context.Context) error {
		return cli.Run(ctx, os.Args[1:], cli.IO{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Environ: os.Environ()})
	}))
}
