package cli

import (
	"context"
	"strings"

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
		conn := &connection{Client: client.New(url), databaseURL: a.settings.DatabaseURL.Reveal()}
		if running && conn.databaseURL == "" && note.URL == strings.TrimRight(url, "/") {
			conn.databaseURL = note.DatabaseURL
		}
		return conn, nil
	}
	if running {
		return &connection{Client: client.New(note.URL), databaseURL: note.DatabaseURL}, nil
	}
	opts := a.stackOptions()
	opts.Listen = "127.0.0.1:0"
	opts.Services = services
	own, err := stack.Start(ctx, opts)
	if err != nil {
		return nil, err
	}
	return &connection{Client: client.New(own.URL), own: own, databaseURL: own.DatabaseURL}, nil
}

func (a *app) stackOptions() stack.Options {
	s := a.settings
	return stack.Options{
		DataDir: s.DataDir, NATSURL: s.NATSURL.Reveal(), DatabaseURL: s.DatabaseURL.Reveal(), Listen: s.Listen,
		Fetcher: s.Fetcher, Parser: s.Parser, Writer: s.Writer, Log: a.log,
	}
}

// close stops what connect started.
func (c *connection) close(ctx context.Context) {
	if c.own != nil {
		c.own.Close(context.WithoutCancel(ctx))
	}
}
