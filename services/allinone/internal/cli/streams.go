package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/services/writer/operate"
)

func (a *app) streamsCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "streams",
		Short: "Show what is in the queues, and how far back a replay can go",
		Long: `Show what is in the queues, and how far back a replay can go. RESOURCES keeps what was stored
until it is 80 % full, or for the time of STOKER_WRITER_STREAM_AGE; its size is
STOKER_WRITER_STREAM_BYTES.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withConnection(cmd.Context(), func(ctx context.Context, conn *connection) error {
				s, err := conn.Streams(ctx)
				if err != nil {
					return err
				}
				if asJSON {
					a.printJSON(s)
					return nil
				}
				return a.printStreams(s)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (a *app) printStreams(s operate.Streams) error {
	t := a.table()
	row(t, "STREAM", "MESSAGES", "SIZE", "LIMIT", "WAITING")
	for _, size := range s.Streams {
		limit := "none"
		if size.Limit > 0 {
			limit = megabytes(uint64(size.Limit))
		}
		row(t, size.Stream, thousands(int64(size.Messages)), megabytes(size.Bytes), limit, thousands(int64(size.Waiting)))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	a.printf("\n%s\n", describeReach(s))
	if s.RestoreSince != nil {
		a.printf("PostgreSQL can be brought up to date from a backup of %s or later\n", s.RestoreSince.UTC().Format(time.RFC3339))
	} else {
		a.printf("PostgreSQL can be brought up to date from any backup\n")
	}
	if len(s.Reach) == 0 {
		return nil
	}
	a.printf("\n")
	t = a.table()
	row(t, "DATASET", "TYPE", "MESSAGES", "OLDEST", "AT")
	for _, r := range s.Reach {
		row(t, r.Dataset, r.Type, thousands(int64(r.Messages)), fmt.Sprint(r.First), r.Time.UTC().Format(time.RFC3339))
	}
	return t.Flush()
}

func describeReach(s operate.Streams) string {
	switch {
	case s.WholeFrom <= 1:
		return fhirmsg.StreamResources + " has everything that it ever got: a replay can begin anywhere"
	case s.WholeTime == nil:
		return fhirmsg.StreamResources + " has nothing left to replay"
	default:
		return fmt.Sprintf("%s has everything from sequence %d on, %s: a replay from there on is whole",
			fhirmsg.StreamResources, s.WholeFrom, s.WholeTime.UTC().Format(time.RFC3339))
	}
}
