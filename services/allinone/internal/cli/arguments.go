package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// checkArguments has a command, and all below it, refuse arguments that it does not take as wrong usage, with its usage.
func checkArguments(cmd *cobra.Command) {
	if args := cmd.Args; args != nil {
		cmd.Args = func(cmd *cobra.Command, got []string) error {
			err := args(cmd, got)
			switch {
			case err == nil:
				return nil
			case cmd.HasSubCommands():
				return usage("%s\nsee: %s --help", argumentsError(cmd, got, err), cmd.CommandPath())
			default:
				return usage("%s\nusage: %s\nsee: %s --help", argumentsError(cmd, got, err), cmd.UseLine(), cmd.CommandPath())
			}
		}
	}
	for _, sub := range cmd.Commands() {
		checkArguments(sub)
	}
}

// argumentsError says in the command's own words what a check of arguments found.
func argumentsError(cmd *cobra.Command, got []string, err error) string {
	want := strings.Fields(cmd.Use)[1:]
	if i := slices.IndexFunc(want, func(word string) bool { return strings.HasPrefix(word, "-") }); i >= 0 {
		want = want[:i] // what follows are flags
	}
	switch {
	case cmd.HasSubCommands() && len(got) > 0:
		cmd.SuggestionsMinimumDistance = 2 // what cobra takes by itself where it makes the error
		text := fmt.Sprintf("unknown command %q for %q", got[0], cmd.CommandPath())
		if near := cmd.SuggestionsFor(got[0]); len(near) > 0 {
			text += "; did you mean " + strings.Join(near, " or ") + "?"
		}
		return text
	case len(got) < len(want):
		missing := want[len(got):]
		return strings.Join(missing, " and ") + map[bool]string{true: " are", false: " is"}[len(missing) > 1] + " missing"
	case len(want) == 0 && len(got) > 0:
		return fmt.Sprintf("%s takes no argument: %q is one too many", cmd.CommandPath(), got[0])
	case len(got) > len(want):
		return fmt.Sprintf("%q is one argument too many", got[len(want)])
	default:
		return err.Error()
	}
}
