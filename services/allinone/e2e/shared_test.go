package e2e

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stoker-fhir/stoker/pkg/pgd"
)

// common is a `stoker up` with nothing but its defaults, its own PostgreSQL included. It serves all tests that need no
// settings, each with datasets of its own, as the datasets of one server do not know of each other.
var common struct {
	once    sync.Once
	err     error
	clients []string
	dir     string
	server  *process
}

// shared is the environment of clients of the server that tests share. The first test that asks for it starts it.
func shared(t *testing.T) (clients []string) {
	t.Helper()
	common.once.Do(func() { common.err = startCommon(freePort(t)) })
	if common.err != nil {
		t.Fatal(common.err)
	}
	t.Cleanup(func() {
		if log := common.server.output(); t.Failed() {
			t.Logf("the shared stoker up printed at last:\n%s", log[max(0, len(log)-8<<10):])
		}
	})
	return common.clients
}

func startCommon(addr string) (err error) {
	if common.dir, err = os.MkdirTemp("", "stoker-e2e-shared-"); err != nil {
		return err
	}
	env := []string{"STOKER_DATA_DIR=" + filepath.Join(common.dir, "data"), "STOKER_LISTEN=" + addr, ownPostgreSQL}
	if common.server, err = launch(env, "stoker", "up"); err != nil {
		return err
	}
	end := time.NewTimer(deadline)
	defer end.Stop()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for !isUp(common.server) {
		select {
		case <-common.server.done:
			return errors.New("the shared stoker up ended: " + common.server.output())
		case <-end.C:
			return errors.New("the shared stoker up does not come up: " + common.server.output())
		case <-ticker.C:
		}
	}
	common.clients = []string{"STOKER_URL=http://" + addr, env[0]}
	return nil
}

// stopCommon ends the server that tests share, if there is one, and removes its data.
func stopCommon() error {
	if common.server == nil {
		return nil
	}
	err := common.server.end()
	return errors.Join(err, pgd.Remove(context.Background(), filepath.Join(common.dir, "data")), os.RemoveAll(common.dir))
}

// noName is what cannot be part of a dataset's name.
var noName = regexp.MustCompile(`[^a-z0-9]+`)

// ownDataset is the name of a dataset that only this test uses.
func ownDataset(t *testing.T) string {
	t.Helper()
	return noName.ReplaceAllString(strings.ToLower(strings.TrimPrefix(t.Name(), "Test")), "-")
}
