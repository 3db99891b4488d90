// Command writer is the service that stores batches of resources in PostgreSQL. Its settings are in its environment;
// see docs/configuration.md.
//
//	writer           run until interrupted
//	writer migrate   bring the database and the streams up to date, and end
//	writer health    ask the writer on this machine whether it is alive
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/stoker-fhir/stoker/pkg/lifecycle"
	"github.com/stoker-fhir/stoker/pkg/process"
	"github.com/stoker-fhir/stoker/pkg/telemetry"
	"github.com/stoker-fhir/stoker/services/writer"
)

func main() { os.Exit(lifecycle.Main("writer", os.Stderr, run)) }

func run(ctx context.Context) error {
	var s settings
	s.Connections = func() int { return s.Writer.Transactions + besideTransactions }
	env, closeAll, err := process.Open("writer", &s, &s.Settings, &s.Database, os.Environ(), os.Stderr)
	if err != nil {
		return err
	}
	defer closeAll()
	switch command := command(); command {
	case "":
		return env.Run(ctx, func(ctx context.Context) error {
			return writer.Run(ctx, s.Writer, writer.Deps{Bus: env.Bus, Pool: env.Pool, Log: env.Log, Metrics: env.Metrics})
		})
	case "migrate":
		return writer.Prepare(ctx, s.Writer, writer.Deps{Bus: env.Bus, Pool: env.Pool, Log: env.Log})
	case "health":
		return telemetry.CheckAlive(ctx, s.Listen)
	default:
		return lifecycle.Exit{Code: 2, Err: fmt.Errorf("unknown command %q: want none, migrate or health", command)}
	}
}

// besideTransactions is how many connections there are besides those of transactions: for what parsers state, and what is looked after.
const besideTransactions = 6

func command() string {
	if len(os.Args) > 1 {
		return os.Args[1]
	}
	return ""
}

type settings struct {
	process.Settings
	process.Database
	Writer writer.Config `envPrefix:"STOKER_WRITER_"`
}
