package e2e

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/ledgertest"
	"github.com/stoker-fhir/stoker/pkg/natstest"
)

// startNATSWithSuppliers runs a nats-server whose users `stoker supplier nats-config` wrote, and returns the URL for Stoker's
// services and that for the supplier.
func startNATSWithSuppliers(t *testing.T, supplier string) (services, suppliers string) {
	t.Helper()
	r := stoker(t, nil, "", "supplier", "nats-config", supplier)
	password := regexp.MustCompile(`password (\S+),`).FindStringSubmatch(r.stderr)
	if r.code != 0 || password == nil {
		t.Fatalf("nats-config: %s", r.stderr)
	}
	dir, addr := t.TempDir(), freePort(t)
	conf := fmt.Sprintf("listen: %q\njetstream { store_dir: %q, sync_interval: always, max_file_store: 64GB }\ninclude \"suppliers.conf\"\n", addr, filepath.Join(dir, "js"))
	for name, content := range map[string]string{"suppliers.conf": r.stdout, natsConf: conf} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	start(t, []string{`NATS_PASSWORD="operators"`}, "nats-server", "-c", filepath.Join(dir, natsConf))
	waitForPort(t, addr)
	return "nats://stoker:operators@" + addr, fmt.Sprintf("nats://%s:%s@%s", supplier, password[1], addr)
}

// messages are the files of a folder as messages of some lines each, every third one with gzip.
func messages(t *testing.T, dir string) (list []*nats.Msg) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.ndjson.gz"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		b := unpacked(t, path)
		for lines := range slices.Chunk(bytes.SplitAfter(b, []byte("\n")), 100) {
			msg := &nats.Msg{Data: bytes.Join(lines, nil), Header: nats.Header{}}
			if len(msg.Data) == 0 {
				continue
			}
			if len(list)%3 == 0 {
				var packed bytes.Buffer
				w := gzip.NewWriter(&packed)
				_, _ = w.Write(msg.Data) // to memory
				_ = w.Close()
				msg.Data = packed.Bytes()
				msg.Header.Set("Content-Encoding", "gzip")
			}
			list = append(list, msg)
		}
	}
	return list
}

func unpacked(t *testing.T, path string) []byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // opened to read only
	r, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestDeliverOverNATS: what a supplier publishes with its own credentials is stored like its files, nothing
// of it twice and nothing missing, though the fetcher is killed before, while and after it gathers and
// fetches; delivered again, nothing changes.
func TestDeliverOverNATS(t *testing.T) {
	t.Parallel()
	dir := data(t, "suppliers/smart-bulk-10")
	services, credentials := startNATSWithSuppliers(t, "clinic")
	p := newPipelineOn(t, services, nil, ledgertest.URL(t))
	p.start("writer")
	waitFor(t, "the streams", func() bool { _, err := p.bus.Subjects(t.Context(), fhirmsg.StreamDeliver, ">"); return err == nil })
	nc := natstest.Connect(t, credentials, nats.CustomInboxPrefix("_INBOX_clinic"))
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	fetcher := func() *process {
		return p.start("fetcher", "STOKER_FETCHER_DELIVER_IMPORT_BYTES=800000", "STOKER_FETCHER_CREDIT=500000")
	}
	list := messages(t, dir)
	deliver := func(name string, part []*nats.Msg) {
		t.Helper()
		for i, msg := range part {
			msg.Subject = fhirmsg.DeliverSubject("clinic")
			msg.Header.Set(fhirmsg.HeaderDelivery, name)
			msg.Header.Set(nats.MsgIdHdr, fmt.Sprint(name, len(part), i))
			if _, err := js.PublishMsg(t.Context(), msg); err != nil {
				t.Fatal(err)
			}
		}
	}
	end := func(name string) {
		t.Helper()
		msg := &nats.Msg{Subject: fhirmsg.DeliverSubject("clinic"), Header: nats.Header{fhirmsg.HeaderDelivery: {name}, fhirmsg.HeaderEnd: {"1"}}}
		if _, err := js.PublishMsg(t.Context(), msg); err != nil {
			t.Fatal(err)
		}
	}
	imports := func() []ledger.Summary {
		list, err := p.ledger.List(t.Context(), "clinic", 1000)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}

	half := len(list) / 2
	deliver("first", list[:half])
	f := fetcher()
	waitFor(t, "the first import", func() bool { return len(imports()) > 0 })
	f.kill() // while it fetches: with nobody who parses its credit is soon used up
	deliver("first", list[half:])
	end("first")
	f = fetcher()
	p.start("parser")
	waitFor(t, "a second import", func() bool { return len(imports()) > 1 })
	f.kill()
	f = fetcher()
	settled := func() bool {
		left, err := p.bus.Subjects(t.Context(), fhirmsg.StreamDeliver, ">")
		return err == nil && len(left) == 0 && !slices.ContainsFunc(imports(), func(s ledger.Summary) bool { return !s.State.Ended() })
	}
	waitFor(t, "all of it", settled)
	sum := func(list []ledger.Summary) (lines, inserted, unchanged int64) {
		for _, s := range list {
			full, err := p.ledger.Status(t.Context(), s.Import)
			if err != nil || full.State != ledger.StateComplete {
				t.Errorf("import %s: %s %s, %v", s.Import, full.State, full.Reason, err)
			}
			wantBalanced(t, "delivered", full)
			lines, inserted, unchanged = lines+full.Lines.Plain, inserted+full.Resources.Inserted, unchanged+full.Resources.Unchanged
		}
		return
	}
	first := imports()
	if lines, inserted, unchanged := sum(first); lines != 7160 || inserted != 7160 || unchanged != 0 || len(first) < 3 {
		t.Errorf("%d imports have %d lines, %d inserted, %d unchanged; want 7160, and each once", len(first), lines, inserted, unchanged)
	}
	if got, want := digest(t, p.databaseURL, "fhir"), referenceDigest(t, dir); got != want {
		t.Errorf("digest %s, of an import %s", got, want)
	}

	deliver("second", list)
	end("second")
	waitFor(t, "the second delivery", func() bool { return len(imports()) > len(first) && settled() })
	if lines, inserted, unchanged := sum(imports()); lines != 2*7160 || inserted != 7160 || unchanged != 7160 {
		t.Errorf("with the second delivery %d lines, %d inserted, %d unchanged", lines, inserted, unchanged)
	}
	if strings.Contains(f.output(), "dead letter") {
		t.Error("something went to the dead letters")
	}
}
