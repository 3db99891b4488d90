package cli

//go:generate go run ./gen ../../../../docs/configuration.md

import (
	"github.com/stoker-fhir/stoker/pkg/config"
	"github.com/stoker-fhir/stoker/services/fetcher"
	"github.com/stoker-fhir/stoker/services/parser"
	"github.com/stoker-fhir/stoker/services/writer"
)

// Settings are what `stoker` reads from its environment. Every one works when absent.
type Settings struct {
	DataDir     string         `env:"STOKER_DATA_DIR" envDefault:".stoker" doc:"folder of the private NATS server and PostgreSQL, and of spooled input"`
	URL         string         `env:"STOKER_URL" doc:"a running stoker up to use, such as http://127.0.0.1:8080"`
	NATSURL     config.Secret  `env:"NATS_URL" doc:"NATS server with JetStream to use; empty: a private one"`
	DatabaseURL config.Secret  `env:"DATABASE_URL" doc:"PostgreSQL to use; empty: a private one"`
	Listen      string         `env:"STOKER_LISTEN" envDefault:"127.0.0.1:8080" doc:"address of the HTTP interface of stoker up"`
	LogLevel    string         `env:"STOKER_LOG_LEVEL" envDefault:"warn" doc:"debug, info, warn or error"`
	LogFormat   string         `env:"STOKER_LOG_FORMAT" envDefault:"console" doc:"console or json"`
	Fetcher     fetcher.Config `envPrefix:"STOKER_FETCHER_"`
	Parser      parser.Config  `envPrefix:"STOKER_PARSER_"`
	Writer      writer.Config  `envPrefix:"STOKER_WRITER_"`
}
