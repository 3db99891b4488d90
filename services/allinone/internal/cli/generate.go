package cli

import (
	"github.com/spf13/cobra"

	"github.com/stoker-fhir/stoker/services/allinone/internal/generate"
)

func (a *app) generateCommand() *cobra.Command {
	var opts generate.Options
	cmd := &cobra.Command{
		Use:   "generate DIR",
		Short: "Write synthetic FHIR R4 ndjson files, to try Stoker with",
		Long: `Write synthetic, valid and self-consistent FHIR R4 resources, a file per type. The same
seed gives the same bytes, and more patients a superset.`,
		Example: "  stoker generate --patients 100 --seed 1 data",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if opts.Patients < 1 {
				return usage("--patients must be at least 1")
			}
			opts.Dir = args[0]
			summary, err := generate.Run(cmd.Context(), opts)
			if err != nil {
				return err
			}
			t := a.table()
			row(t, "TYPE", "RESOURCES", "BYTES")
			for _, s := range summary.Types {
				row(t, s.Type, thousands(s.Resources), thousands(s.Bytes))
			}
			row(t, "all", thousands(summary.Resources), thousands(summary.Bytes))
			return t.Flush()
		},
	}
	cmd.Flags().IntVar(&opts.Patients, "patients", 100, "number of patients; about 300 resources each")
	cmd.Flags().Uint64Var(&opts.Seed, "seed", 1, "seed of the random numbers")
	cmd.Flags().IntVar(&opts.Revision, "revision", 0, "a later state of the same resources")
	return cmd
}
