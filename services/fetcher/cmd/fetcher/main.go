// Command fetcher is the service that reads files and publishes their chunks. Its settings are in its environment;
// see docs/configuration.md.
//
//	fetcher           run until interrupted
//	fetcher health    ask the fetcher on this machine whether it is alive
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/stoker-fhir/stoker/pkg/lifecycle"
	"github.com/stoker-fhir/stoker/pkg/process"
	"github.com/stoker-fhir/stoker/pkg/telemetry"
	"github.com/stoker-fhir/stoker/services/fetcher"
)

func main() { os.Exit(lifecycle.Main("fetcher", os.Stderr, run)) }

func run(ctx context.Context) error {
	var s settings
	env, closeAll, err := process.Open("fetcher", &s, &s.Settings, &s.Database, os.Environ(), os.Stderr)
	if err != nil {
		return err
	}
	defer closeAll()
	switch command := command(); command {
	case "":
		return env.Run(ctx, func(ctx context.Context) error {
			return fetcher.Run(ctx, s.Fetcher, fetcher.Deps{Bus: env.Bus, Pool: env.Pool, Log: env.Log, Metrics: env.Metrics})
		})
	case "health":
		return telemetry.CheckAlive(ctx, s.Listen)
	default:
		return lifecycle.Exit{Code: 2, Err: fmt.Errorf("unknown command %q: want none, or health", command)}
	}
}

func command() string {
	if len(os.Args) > 1 {
		return os.Args[1]
	}
	return ""
}

type settings struct {
	process.Settings
	process.Database
	Fetcher fetcher.Config `envPrefix:"STOKER_FETCHER_"`
}
