package bench

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stoker-fhir/stoker/pkg/pgtest"
)

// TestServiceEnds: nobody waits for a service that has ended.
func TestServiceEnds(t *testing.T) {
	t.Parallel()
	programs := t.TempDir()
	for _, name := range []string{"nats-server", "writer", "parser", "fetcher"} {
		if err := os.WriteFile(filepath.Join(programs, name), []byte("#!/bin/sh\nexit 1\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	dir := pgtest.Dir(t)
	pgtest.Cluster(t, filepath.Join(dir, "postgres"))
	_, err := StartPipeline(t.Context(), PipelineOptions{Programs: programs, Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "has ended") {
		t.Errorf("got %v", err)
	}
}
