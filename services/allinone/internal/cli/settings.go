package cli

//go:generate go run ./gen ../../../../docs/configuration.md

import (
	"errors"
	"fmt"

	"github.com/stoker-fhir/stoker/pkg/config"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/services/allinone/internal/inbox"
	"github.com/stoker-fhir/stoker/services/fetcher"
	"github.com/stoker-fhir/stoker/services/parser"
	"github.com/stoker-fhir/stoker/services/writer"
)

// Settings are what `stoker` reads from its environment. Every one works when absent.
type Settings struct {
	DataDir     string         `env:"STOKER_DATA_DIR" envDefault:".stoker" doc:"folder of the private NATS server and PostgreSQL, and of spooled input"`
	URL         string         `env:"STOKER_URL" doc:"a running stoker up to use, such as http://127.0.0.1:8080"`
	NATSURL     config.Secret  `env:"NATS_URL" doc:"NATS server with JetStream to use; empty: a private one"`
	DatabaseURL config.Secret  `env:"DATABASE_URL" doc:"PostgreSQL to use; empty: a private one. All share as many connections as STOKER_WRITER_TRANSACTIONS and 16 more, or pool_max_conns of it, but for what takes minutes"`
	Listen      string         `env:"STOKER_LISTEN" envDefault:"127.0.0.1:8080" doc:"address of the HTTP interface of stoker up"`
	PublicURL   string         `env:"STOKER_PUBLIC_URL" doc:"URL that suppliers reach stoker up by, such as https://stoker.example.org, for what is answered to them; empty: the one that they asked"`
	Suppliers   string         `env:"STOKER_SUPPLIERS" doc:"file that declares suppliers, suppliers.yaml; empty: only commands declare them"`
	Auth        string         `env:"STOKER_AUTH" envDefault:"local" doc:"local: who asks from this machine without a token is an operator; token: everybody needs a token, as behind a proxy"`
	Operator    config.Secret  `env:"STOKER_OPERATOR_TOKEN" doc:"bearer token that stoker up takes operators by, of at least 32 characters; empty: there is none"`
	Token       config.Secret  `env:"STOKER_TOKEN" doc:"bearer token that commands send; empty: the operators', if it is set"`
	LogLevel    string         `env:"STOKER_LOG_LEVEL" envDefault:"warn" doc:"debug, info, warn or error"`
	LogFormat   string         `env:"STOKER_LOG_FORMAT" envDefault:"console" doc:"console or json"`
	Uploads     inbox.Config   `envPrefix:"STOKER_UPLOAD_"`
	Fetcher     fetcher.Config `envPrefix:"STOKER_FETCHER_"`
	Parser      parser.Config  `envPrefix:"STOKER_PARSER_"`
	Writer      writer.Config  `envPrefix:"STOKER_WRITER_"`
}

// What STOKER_AUTH can be.
const (
	authLocal = "local"
	authToken = "token"
)

// minOperatorToken is the least length of a token that was not made here. Who guesses has to guess all of it.
const minOperatorToken = 32

// Validate reports settings that cannot be.
func (s Settings) Validate() error {
	var problems []error
	if s.Auth != authLocal && s.Auth != authToken {
		problems = append(problems, fmt.Errorf("STOKER_AUTH %q: must be %s or %s", s.Auth, authLocal, authToken))
	}
	if err := fhirmsg.CheckBase(s.PublicURL); err != nil {
		problems = append(problems, errors.New("STOKER_PUBLIC_URL: must be a URL such as https://stoker.example.org"))
	}
	if n := len(s.Operator.Reveal()); n > 0 && n < minOperatorToken {
		problems = append(problems, fmt.Errorf("STOKER_OPERATOR_TOKEN: must have at least %d characters", minOperatorToken))
	}
	return errors.Join(problems...)
}
