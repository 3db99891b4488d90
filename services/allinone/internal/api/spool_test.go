package api

import (
	"io"
	"math"
	"net/http"
	"testing"
)

// TestSpoolWithoutRoom: who hands in what a pipe has is told at once that there is no room, whatever the pipe waits for.
func TestSpoolWithoutRoom(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{})
	f.Inbox.MinFree = math.MaxInt64
	quiet, pipe := io.Pipe()
	defer pipe.Close() //nolint:errcheck // cannot fail
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, f.url+"/spool", quiet)
	check(t, err)
	resp, err := http.DefaultClient.Do(req)
	check(t, err)
	_ = resp.Body.Close() // only the status counts
	if resp.StatusCode != http.StatusInsufficientStorage {
		t.Errorf("%d, want %d", resp.StatusCode, http.StatusInsufficientStorage)
	}
}
