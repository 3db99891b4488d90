package cli

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stoker-fhir/stoker/pkg/lifecycle"
)

// TestArguments: every command, also one below another, refuses wrong arguments as wrong usage, and says which are right.
func TestArguments(t *testing.T) {
	t.Parallel()
	tests := []struct{ args, want string }{
		{"rejects", "ID is missing\nusage: stoker rejects ID [flags]\nsee: stoker rejects --help"},
		{"sync run", "NAME is missing\nusage: stoker sync run NAME [flags]\nsee: stoker sync run --help"},
		{"sync show a b", `"b" is one argument too many`},
		{"sync list a", `stoker sync list takes no argument: "a" is one too many`},
		{"sync lst", `unknown command "lst" for "stoker sync"; did you mean list?`},
		{"sync xyzzy", "unknown command \"xyzzy\" for \"stoker sync\"\nsee: stoker sync --help"},
		{"dataset swap", "A and B are missing"},
		{"dataset history a", "on|off is missing"},
		{"snapshot --max-deletes 1", "ID is missing"},
		{"pause all --type Patient", `takes no argument: "all"`},
		{"status a b", `"b" is one argument too many`},
		{"replay show", "ID is missing"},
	}
	for _, tt := range tests {
		err := Run(t.Context(), strings.Fields(tt.args), IO{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard})
		var exit lifecycle.Exit
		if !errors.As(err, &exit) || exit.Code != ExitUsage || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("stoker %s: %v, want %q", tt.args, err, tt.want)
		}
	}
}
