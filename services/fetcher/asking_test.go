package fetcher

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// TestSaysThatAServerIsAskedAgain: while a server does not serve what it had begun to send, status says so, but not of what is over
// in a moment; and when it sends again, that is taken back.
func TestSaysThatAServerIsAskedAgain(t *testing.T) {
	t.Parallel()
	f, c, pool := exporting(t)
	content := patients(1_000)
	var requests atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"1"`)
		switch requests.Add(1) {
		case 1:
			w.Header().Set("Content-Length", strconv.Itoa(len(content)))
			_, _ = w.Write([]byte(content[:len(content)/2]))
			panic(http.ErrAbortHandler)
		case 2, 3:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 4:
			w.Header().Set("Retry-After", "60")
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			http.ServeContent(w, r, "", time.Time{}, strings.NewReader(content))
		}
	}))
	t.Cleanup(server.Close)
	req := manifestRequest(t, server.URL)
	req.Sources = []fhirmsg.Source{{URL: server.URL + "/f", Type: "Patient"}}
	var said []string
	f.source.Sleep = func(ctx context.Context, d time.Duration) error {
		status, err := f.ledger.Status(ctx, req.ID)
		if err != nil {
			return err
		}
		text := d.String()
		if w := status.Waiting; w != nil {
			text += " " + w.For
		}
		said = append(said, text)
		return c.pass(ctx, d)
	}
	f.bring(t, c, req)
	want := []string{"500ms", "1s", "1m0s the server is asked again: the server answered 503 Service Unavailable"}
	if diff := cmp.Diff(want, said); diff != "" {
		t.Errorf("status says (-want +got):\n%s", diff)
	}
	var left string
	if err := pool.QueryRow(t.Context(), `SELECT waiting FROM stoker.credit WHERE import = $1`, [16]byte(req.ID)).Scan(&left); err != nil || left != "" {
		t.Errorf("in the end it waits for %q, %v", left, err)
	}
	if _, account := f.accountAt(t, req.ID, server.URL); account != "f closed 1000\n" {
		t.Error(account)
	}
}

// TestSaysNoMoreThatAServerIsAskedAgain: what one file waited for is taken back when the server refuses it in the end, though others follow.
func TestSaysNoMoreThatAServerIsAskedAgain(t *testing.T) {
	t.Parallel()
	f, c, pool := exporting(t)
	var requests atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1) == 1 {
			w.Header().Set("Retry-After", "60")
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		http.NotFound(w, r)
	}))
	t.Cleanup(server.Close)
	req := manifestRequest(t, server.URL)
	req.Sources = []fhirmsg.Source{{URL: server.URL + "/f", Type: "Patient"}}
	f.bring(t, c, req)
	var left string
	if err := pool.QueryRow(t.Context(), `SELECT waiting FROM stoker.credit WHERE import = $1`, [16]byte(req.ID)).Scan(&left); err != nil || left != "" {
		t.Errorf("in the end it waits for %q, %v", left, err)
	}
	if _, account := f.accountAt(t, req.ID, server.URL); !strings.HasPrefix(account, "f failed 0") || requests.Load() != 2 {
		t.Errorf("%s after %d requests", account, requests.Load())
	}
}
