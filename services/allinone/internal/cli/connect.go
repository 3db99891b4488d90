package cli

import (
	"cmp"
	"context"
	"strings"

	"github.com/stoker-fhir/stoker/pkg/supplier"
	"github.com/stoker-fhir/stoker/services/allinone/internal/api"
	"github.com/stoker-fhir/stoker/services/allinone/internal/client"
	"github.com/stoker-fhir/stoker/services/allinone/internal/stack"
)

// connection is a stoker process to talk to: one that runs, or a stack of our own.
type connection struct {
	*client.Client
	own         *stack.Stack // nil: another process
	databaseURL string       // "" is unknown, as of a process elsewhere
}

// connect finds a running process or starts a stack on the data folder. services says
// whether a stack of our own works on imports, or only answers.
func (a *app) connect(ctx context.Context, services bool) (*connection, error) {
	note, running := stack.Running(a.settings.DataDir)
	if url := a.settings.URL; url != "" {
		conn := &connection{Client: client.New(url, a.token()), databaseURL: a.settings.DatabaseURL.Reveal()}
		if running && conn.databaseURL == "" && note.URL == strings.TrimRight(url, "/") {
			conn.databaseURL = note.DatabaseURL
		}
		return conn, nil
	}
	if running {
		return &connection{Client: client.New(note.URL, a.token()), databaseURL: note.DatabaseURL}, nil
	}
	opts := a.stackOptions()
	opts.Listen = "127.0.0.1:0"
	opts.Services = services
	opts.Auth.TokensOnly = false // nobody but this command is to know the address
	own, err := stack.Start(ctx, opts)
	if err != nil {
		return nil, err
	}
	return &connection{Client: client.New(own.URL, a.token()), own: own, databaseURL: own.DatabaseURL}, nil
}

func (a *app) stackOptions() stack.Options {
	s := a.settings
	opts := stack.Options{
		Suppliers: s.Suppliers, PublicURL: s.PublicURL, Auth: api.Auth{TokensOnly: s.Auth == authToken},
		DataDir: s.DataDir, NATSURL: s.NATSURL.Reveal(), DatabaseURL: s.DatabaseURL.Reveal(), Listen: s.Listen,
		Fetcher: s.Fetcher, Parser: s.Parser, Writer: s.Writer, Uploads: s.Uploads, Log: a.log,
	}
	if token := s.Operator.Reveal(); token != "" {
		opts.Auth.OperatorToken = supplier.HashOf(token)
	}
	return opts
}

// token is what commands prove themselves by.
func (a *app) token() string {
	return cmp.Or(a.settings.Token.Reveal(), a.settings.Operator.Reveal())
}

// close stops what connect started.
func (c *connection) close(ctx context.Context) {
	if c.own != nil {
		c.own.Close(context.WithoutCancel(ctx))
	}
}
