package e2e

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/stoker-fhir/stoker/pkg/fhirdef"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/ledgertest"
	"github.com/stoker-fhir/stoker/pkg/natstest"
	"github.com/stoker-fhir/stoker/services/writer/operate"
)

// cluster is three real servers that are one NATS cluster. They do not sync to disk before they acknowledge: that is what the replicas are for.
type cluster struct {
	t       *testing.T
	names   []string
	confs   []string
	stores  []string
	clients []string
	running []*process
	js      jetstream.JetStream
}

func startCluster(t *testing.T) *cluster {
	t.Helper()
	const size = 3
	c := &cluster{t: t, running: make([]*process, size)}
	var routes []string
	for range size {
		c.clients = append(c.clients, freePort(t))
		routes = append(routes, freePort(t))
	}
	for i := range size {
		dir := t.TempDir()
		c.names = append(c.names, fmt.Sprintf("n%d", i+1))
		c.confs = append(c.confs, filepath.Join(dir, natsConf))
		c.stores = append(c.stores, filepath.Join(dir, "js"))
		content := fmt.Sprintf("server_name: %s\nlisten: %q\njetstream { store_dir: %q, max_file_store: 64GB }\ncluster { name: stoker, listen: %q, routes: [\"nats://%s\"] }\n",
			c.names[i], c.clients[i], c.stores[i], routes[i], strings.Join(routes, `", "nats://`))
		if err := os.WriteFile(c.confs[i], []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for i := range size {
		c.start(i)
	}
	js, err := jetstream.New(natstest.Connect(t, c.url()))
	if err != nil {
		t.Fatal(err)
	}
	c.js = js
	return c
}

func (c *cluster) start(i int) {
	c.t.Helper()
	c.running[i] = start(c.t, nil, "nats-server", "-c", c.confs[i])
	waitForPort(c.t, c.clients[i])
}

func (c *cluster) url() string { return "nats://" + strings.Join(c.clients, ",nats://") }

// replicate has every stream in three replicas, as docs/nats-cluster.md tells an operator to.
func (c *cluster) replicate() {
	c.t.Helper()
	list := c.js.ListStreams(c.t.Context())
	for info := range list.Info() {
		cfg := info.Config
		cfg.Replicas = len(c.names)
		if _, err := c.js.UpdateStream(c.t.Context(), cfg); err != nil {
			c.t.Fatal(err)
		}
	}
	if err := list.Err(); err != nil {
		c.t.Fatal(err)
	}
	c.untilReplicated()
}

// untilReplicated waits until every server has all of every stream.
func (c *cluster) untilReplicated() {
	c.t.Helper()
	waitFor(c.t, "all replicas", func() bool {
		list := c.js.ListStreams(c.t.Context())
		for info := range list.Info() {
			if info.Cluster == nil || info.Cluster.Leader == "" || len(info.Cluster.Replicas) != len(c.names)-1 {
				return false
			}
			for _, r := range info.Cluster.Replicas {
				if !r.Current || r.Offline || r.Lag > 0 {
					return false
				}
			}
		}
		return list.Err() == nil
	})
}

// lose kills the server that leads a stream, and takes its disk away.
func (c *cluster) lose(stream string) (i int) {
	c.t.Helper()
	s, err := c.js.Stream(c.t.Context(), stream)
	if err != nil {
		c.t.Fatal(err)
	}
	i = slices.Index(c.names, s.CachedInfo().Cluster.Leader)
	c.running[i].kill()
	if err := os.RemoveAll(c.stores[i]); err != nil {
		c.t.Fatal(err)
	}
	return i
}

// documents writes so many Binaries of so many bytes that cannot be compressed: they go through the object store.
func documents(t *testing.T, path string, n, size int) {
	t.Helper()
	var lines bytes.Buffer
	noise := make([]byte, size)
	for i := range n {
		if _, err := rand.Read(noise); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&lines, `{"resourceType":"Binary","id":"b%d","contentType":"application/pdf","data":%q}`+"\n", i, base64.StdEncoding.EncodeToString(noise))
	}
	if err := os.WriteFile(path, lines.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestCluster: a server of a NATS cluster is lost with its disk in the middle of an import, and another one later in the middle of a replay: the
// import ends with nothing missing, the replay with every message, and what it built is swapped in.
func TestCluster(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	p := newPipelineOn(t, c.url(), nil, ledgertest.URL(t))
	waitFor(t, "the streams", func() bool {
		return p.bus.Apply(t.Context(), fhirdef.ResourceTypes(fhirmsg.FHIRVersionR4), nil) == nil
	})
	c.replicate()
	for _, name := range []string{"fetcher", "parser", "writer"} {
		p.start(name)
	}
	dir := generated(t, 60, 7)
	documents(t, filepath.Join(dir, "Binary.ndjson"), 12, 3<<20)
	id := p.request(fhirmsg.ImportRequest{ChunkSize: 8 << 10, Sources: []fhirmsg.Source{{Path: dir}}})
	under := func() int64 {
		s, err := p.ledger.Status(t.Context(), id)
		if err != nil {
			return 0
		}
		return s.Resources.Inserted
	}
	waitFor(t, "the import to be under way", func() bool { return under() > 500 })
	lost := c.lose(fhirmsg.StreamResources)
	s := p.wait(id)
	wantBalanced(t, "an import in a cluster that loses a server", s)
	if s.State != ledger.StateComplete {
		t.Errorf("the import is %s: %s", s.State, s.Reason)
	}
	want := referenceDigest(t, dir)
	if got := digest(t, p.databaseURL, "fhir"); got != want {
		t.Errorf("digest %s, of a single server %s", got, want)
	}

	c.start(lost)
	c.untilReplicated()
	operator := &operate.Operator{Bus: p.bus, Ledger: p.ledger, Pool: p.pool}
	r, err := operator.Replay(t.Context(), operate.ReplayRequest{Dataset: "fhir", Into: "fhir-new"})
	if err != nil {
		t.Fatal(err)
	}
	c.lose(fhirmsg.StreamResources)
	waitFor(t, "the replay's end", func() bool {
		again, err := p.ledger.Replay(t.Context(), r.ID)
		if err == nil {
			r = again
		}
		return r.State.Ended()
	})
	if sum := r.Sum(); r.State != ledger.ReplayComplete || sum.Done != sum.Messages {
		t.Errorf("the replay is %s: %s; %+v", r.State, r.Reason, sum)
	}
	if swapped, err := operator.Swap(t.Context(), "fhir", "fhir-new"); err != nil || swapped.Replay != nil {
		t.Fatalf("swapped %+v, error %v", swapped, err)
	}
	if got := digest(t, p.databaseURL, "fhir"); got != want {
		t.Errorf("digest %s after the swap, of a single server %s", got, want)
	}
}
