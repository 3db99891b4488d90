package e2e

import (
	"bufio"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stoker-fhir/stoker/pkg/bus"
	"github.com/stoker-fhir/stoker/pkg/fhirdef"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/pgtest"
)

// chunk is a size of chunks that fit a message though they cannot be compressed.
const chunk = 512 << 10

// bulky writes so many resources of the types in turn, of 4 kB that cannot be compressed, so that
// a small file fills a queue.
func bulky(t *testing.T, lines int, types ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bulky.ndjson")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriter(f)
	noise := make([]byte, 3000)
	for i := range lines {
		if _, err := rand.Read(noise); err != nil {
			t.Fatal(err)
		}
		_, _ = fmt.Fprintf(w, `{"resourceType":%q,"id":"r%d","language":%q}`+"\n", types[i%len(types)], i, base64.StdEncoding.EncodeToString(noise))
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestNobodyStores: while there is no writer, an import many times the size of the stream of resources
// waits and says for what, and takes no memory for what waits; when there is one, it goes on by itself to its end.
func TestNobodyStores(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		lines   int // of 4 kB
		limits  bus.Limits
		fetcher string // setting
		want    string
	}{
		{
			"full queues", 260_000, bus.Limits{fhirmsg.StreamResources: 64 << 20},
			"STOKER_FETCHER_CREDIT=4294967296", "the queue CHUNKS takes no more",
		},
		{
			"no credit", 10_000, bus.Limits{fhirmsg.StreamResources: 16 << 20},
			"STOKER_FETCHER_CREDIT=12582912", "which is all that its credit allows",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := bulky(t, tt.lines, "Patient", "Observation")
			p := newPipeline(t, false)
			if err := p.bus.Apply(t.Context(), fhirdef.ResourceTypes(fhirmsg.FHIRVersionR4), tt.limits); err != nil {
				t.Fatal(err)
			}
			processes := []*process{p.start("fetcher", tt.fetcher), p.start("parser")}
			id := p.request(fhirmsg.ImportRequest{Validation: fhirmsg.ValidationOff, ChunkSize: chunk, Sources: []fhirmsg.Source{{Path: path}}})
			var s ledger.Status
			waitFor(t, "the import to say that it waits", func() bool {
				var err error
				s, err = p.ledger.Status(t.Context(), id)
				return err == nil && s.Waiting != nil
			})
			if !strings.Contains(s.Waiting.For, tt.want) || s.State != ledger.StateFetching || s.Files[0].Bytes >= s.Files[0].Size {
				t.Errorf("%s, waits for %q, %d of %d bytes read; want %q before the end", s.State, s.Waiting.For, s.Files[0].Bytes, s.Files[0].Size, tt.want)
			}
			processes = append(processes, p.start("writer", fmt.Sprintf("STOKER_WRITER_STREAM_BYTES=%d", tt.limits[fhirmsg.StreamResources])))
			s = p.wait(id)
			wantBalanced(t, "after the writer came", s)
			if s.State != ledger.StateComplete || s.Resources.Inserted != int64(tt.lines) || s.Waiting != nil {
				t.Errorf("%s: inserted %d of %d, waiting %+v", s.State, s.Resources.Inserted, tt.lines, s.Waiting)
			}
			const most = 400 << 20
			for _, process := range processes {
				peak := process.peak()
				t.Logf("%s: %d MiB of memory at most", process.name, peak>>20)
				if peak > most {
					t.Errorf("%s had %d MiB of memory, want at most %d", process.name, peak>>20, most>>20)
				}
			}
		})
	}
}

// TestPausedType: of a type that is paused no more waits than its share of the queue, and the
// other types of the same chunks are stored to the last, though far more of them pass through
// the queue than it holds.
func TestPausedType(t *testing.T) {
	t.Parallel()
	const lines = 15_000 // 20 MB of each type: more than the queue holds
	path := bulky(t, lines, "Patient", "Observation", "Condition")
	env, _ := up(t, pgtest.Dir(t), "STOKER_WRITER_STREAM_BYTES=16777216")
	run := func(args ...string) string {
		t.Helper()
		r := stoker(t, env, "", args...)
		if r.code != 0 {
			t.Fatalf("stoker %v ended with %d: %s", args, r.code, r.stderr)
		}
		return strings.TrimSpace(r.stdout)
	}
	run("pause", "--type", "Observation")
	id := run("import", "--no-wait", "--validation", "off", "--chunk-size", fmt.Sprint(chunk), path)
	var s ledger.Status
	waitFor(t, "the other types to be stored", func() bool {
		s = importAccount(t, env, id)
		return s.ByType["Patient"].Inserted == lines/3 && s.ByType["Condition"].Inserted == lines/3
	})
	if n := s.ByType["Observation"].Total(); n != 0 || s.State.Ended() {
		t.Errorf("%s, %d observations stored while they are paused", s.State, n)
	}
	if s.Waiting == nil || !strings.Contains(s.Waiting.For, "Observation is paused") {
		t.Errorf("it does not say what it waits for: %+v", s.Waiting)
	}
	if list := run("status"); !strings.Contains(list, "paused: Observation until it is resumed") {
		t.Errorf("status does not name the paused type:\n%s", list)
	}
	run("resume", "--type", "Observation")
	s = untilEnded(t, env, id)
	wantBalanced(t, "resumed", s)
	if s.State != ledger.StateComplete || s.Resources.Inserted != lines {
		t.Errorf("%s: inserted %d of %d", s.State, s.Resources.Inserted, lines)
	}
}
