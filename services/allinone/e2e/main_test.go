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

// natsServer is a program that they need.
const natsServer = "github.com/nats-io/nats-server/v2"

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
	const module = "github.com/stoker-fhir/stoker/services/"
	ours := []string{module + "allinone/cmd/stoker", module + "fetcher/cmd/fetcher", module + "parser/cmd/parser", module + "writer/cmd/writer"}
	builds := [][]string{append(ours, natsServer)} // all in one go: most of the time is the linker's
	if raceEnabled {
		builds = [][]string{append([]string{"-race"}, ours...), {natsServer}}
	}
	for _, args := range builds {
		// Without what debuggers need, which takes the linker time too.
		build := exec.Command("go", append([]string{"build", "-ldflags=-s -w", "-o", dir + string(filepath.Separator)}, args...)...)
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build the programs: %v\n%s", err, out)
			return 1
		}
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
