// Command parser is the service that turns chunks of files into batches of resources. Its settings are in its environment;
// see docs/configuration.md.
//
//	parser           run until interrupted
//	parser health    ask the parser on this machine whether it is alive
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/stoker-fhir/stoker/pkg/lifecycle"
	"github.com/stoker-fhir/stoker/pkg/process"
	"github.com/stoker-fhir/stoker/pkg/telemetry"
	"github.com/stoker-fhir/stoker/services/parser"
)

func main() { os.Exit(lifecycle.Main("parser", os.Stderr, run)) }

func run(ctx context.Context) error {
	var s settings
	env, closeAll, err := process.Open("parser", &s, &s.Settings, nil, os.Environ(), os.Stderr)
	if err != nil {
		return err
	}
	defer closeAll()
	switch command := command(); command {
	case "":
		return env.Run(ctx, func(ctx context.Context) error {
			return parser.Run(ctx, s.Parser, parser.Deps{Bus: env.Bus, Log: env.Log, Metrics: env.Metrics})
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
	Parser parser.Config `envPrefix:"STOKER_PARSER_"`
}
