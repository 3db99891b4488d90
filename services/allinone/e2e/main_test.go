package e2e

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
)

// programs is the folder of the programs under test.
var programs string

// TestMain builds the programs once.
func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "stoker-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	programs = dir
	// All in one go, and without what debuggers need: most of the time is the linker's.
	args := []string{"build", "-ldflags=-s -w", "-o", dir + string(filepath.Separator)}
	if raceEnabled {
		args = append(args, "-race")
	}
	const module = "github.com/stoker-fhir/stoker/services/"
	build := exec.Command("go", append(args,
		module+"allinone/cmd/stoker", module+"fetcher/cmd/fetcher", module+"parser/cmd/parser", module+"writer/cmd/writer",
		"github.com/nats-io/nats-server/v2")...)
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the programs: %v\n%s", err, out)
		return 1
	}
	if err := os.Rename(filepath.Join(dir, "v2"), filepath.Join(dir, "nats-server")); err != nil && !os.IsNotExist(err) {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	flag.Parse()
	// Tests wait for servers and for ends more than they compute, but for programs with the race detector.
	if !raceEnabled {
		if err := flag.Set("test.parallel", strconv.Itoa(2*runtime.GOMAXPROCS(0))); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	code := m.Run()
	if err := stopCommon(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}
