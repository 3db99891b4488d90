package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/stoker-fhir/stoker/pkg/ledger"
)

func (a *app) pauseCommand() *cobra.Command {
	var types []string
	var period time.Duration
	cmd := &cobra.Command{
		Use:   "pause --type TYPE",
		Short: "Stop storing resources of a type; the others go on",
		Long: `Stop storing resources of a type, for instance while its table is worked on. Resources of
other types are stored on. Those of the type wait in the queue, until they take half of it
(STOKER_PARSER_TYPE_SHARE); then chunks that hold some wait, and at last the reading of imports that do.
Nothing is lost, and stopping and starting services does not end the pause.`,
		Example: "  stoker pause --type Observation --for 2h\n  stoker resume --type Observation",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if len(types) == 0 || period < 0 {
				return usage("name a type, such as --type Observation, and for how long, such as --for 2h, if not until it is resumed")
			}
			return a.withConnection(cmd.Context(), func(ctx context.Context, conn *connection) error {
				for _, t := range types {
					if err := conn.PauseType(ctx, t, period); err != nil {
						return err
					}
					a.printf("paused %s; go on with: stoker resume --type %s\n", t, t)
				}
				return nil
			})
		},
	}
	cmd.Flags().StringSliceVar(&types, "type", nil, "resource type; may be repeated")
	cmd.Flags().DurationVar(&period, "for", 0, "for how long, such as 30m (default until it is resumed)")
	return cmd
}

func (a *app) resumeCommand() *cobra.Command {
	var types []string
	cmd := &cobra.Command{
		Use:     "resume --type TYPE",
		Short:   "Go on storing resources of a paused type",
		Long:    `Go on storing resources of a type after "stoker pause". (An import is resumed with "stoker import --resume".)`,
		Example: "  stoker resume --type Observation",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if len(types) == 0 {
				return usage("name a type, such as --type Observation; an import is resumed with: stoker import --resume ID")
			}
			return a.withConnection(cmd.Context(), func(ctx context.Context, conn *connection) error {
				for _, t := range types {
					if err := conn.ResumeType(ctx, t); err != nil {
						return err
					}
					a.printf("resumed %s\n", t)
				}
				return nil
			})
		},
	}
	cmd.Flags().StringSliceVar(&types, "type", nil, "resource type; may be repeated")
	return cmd
}

// describeWaiting says what an import waits for.
func describeWaiting(w ledger.Waiting) string {
	text := "waiting: " + w.For
	if !w.Since.IsZero() {
		text += fmt.Sprintf(" (nothing moved for %s)", time.Since(w.Since).Round(time.Second))
	}
	return text
}

// showPressure prints which types are paused and which queues are full.
func (a *app) showPressure(ctx context.Context, conn *connection) error {
	p, err := conn.Pressure(ctx)
	if err != nil {
		return err
	}
	for _, t := range p.Paused {
		until := "until it is resumed"
		if !t.Until.IsZero() {
			until = "until " + t.Until.Local().Format("2006-01-02 15:04:05")
		}
		a.printf("paused: %s %s, %s batches wait; go on with: stoker resume --type %s\n", t.Type, until, thousands(int64(t.Waiting)), t.Type)
	}
	if len(p.Full) > 0 {
		a.printf("full: %s; what follows it is behind or stopped\n", strings.Join(p.Full, ", "))
	}
	return nil
}
