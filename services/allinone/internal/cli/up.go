package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/stoker-fhir/stoker/services/allinone/internal/stack"
)

func (a *app) upCommand() *cobra.Command {
	var listen, suppliers string
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run NATS, PostgreSQL and the three services until interrupted",
		Long: `Run a private NATS server with JetStream and a private PostgreSQL in the data folder
(or those of NATS_URL and DATABASE_URL), the fetcher, the parser and the writer, and the
HTTP interface that the other commands use, with /healthz, /readyz and /metrics. It also runs the
syncs that are due ("stoker sync").

The data folder holds everything; after a stop or a crash, "stoker up" goes on where it was.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts := a.stackOptions()
			opts.Services, opts.Syncs = true, true
			if listen != "" {
				opts.Listen = listen
			}
			if suppliers != "" {
				opts.Suppliers = suppliers
			}
			s, err := stack.Start(cmd.Context(), opts)
			if err != nil {
				return err
			}
			a.note("stoker is up at %s (data in %s); stop it with Ctrl-C", s.URL, a.settings.DataDir)
			<-cmd.Context().Done()
			a.note("stopping")
			s.Close(context.WithoutCancel(cmd.Context()))
			return nil
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "", "address of the HTTP interface (default 127.0.0.1:8080, or STOKER_LISTEN)")
	cmd.Flags().StringVar(&suppliers, "suppliers", "", "file that declares suppliers (default none, or STOKER_SUPPLIERS)")
	return cmd
}
