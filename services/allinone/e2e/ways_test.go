package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/natstest"
	"github.com/stoker-fhir/stoker/pkg/pgtest"
	"github.com/stoker-fhir/stoker/pkg/supplier"
)

// ways are all ways in which a supplier delivers, each supplier by one of them, whose name and dataset is that of the way.
type ways struct {
	t     *testing.T
	dir   string // what is delivered
	env   []string
	url   string
	drop  string
	store objectStore
	files *publisher
	nats  string // for the supplier
	queue string // for the object store's events
}

// TestEveryWay: each of the seven ways in which suppliers deliver brings the same resources to the same rows, and
// nothing changes when they are delivered again.
func TestEveryWay(t *testing.T) {
	t.Parallel()
	w := &ways{t: t, dir: data(t, "suppliers/smart-bulk-10"), drop: t.TempDir(), store: newObjectStore(t)}
	w.files = newPublisher(t, w.dir)
	w.files.grow() // to all files
	w.queue, w.nats = startNATSWithSuppliers(t, "nats")
	if err := os.Mkdir(filepath.Join(w.drop, "drop"), 0o755); err != nil {
		t.Fatal(err)
	}
	home := pgtest.Dir(t)
	w.env, _ = up(t, home, "NATS_URL="+w.queue, "STOKER_SUPPLIERS="+w.declare(), "STOKER_FETCHER_DROP="+w.drop,
		"STOKER_FETCHER_S3_ENDPOINT="+w.store.url, "STOKER_FETCHER_S3_ACCESS_KEY=key", "STOKER_FETCHER_S3_SECRET_KEY=secret")
	w.url = strings.TrimPrefix(w.env[0], "STOKER_URL=")
	folder := importJSON(t, w.env, w.dir, "--dataset", "folder")
	if folder.Resources.Inserted != 7160 {
		t.Fatalf("of the folder: %+v", folder.Resources)
	}
	database := databaseURL(t, w.env)
	want := digest(t, database, "folder")
	for name, deliver := range map[string]func(again bool){
		"drop": w.byFolder, "bucket": w.byBucket, "upload": w.byUpload, "import": w.byImport, "submit": w.bySubmission, "publish": w.byPublication, "nats": w.byNATS,
	} {
		for i, total := range []ledger.Counts{{Inserted: 7160}, {Inserted: 7160, Unchanged: 7160}} {
			deliver(i > 0)
			if got := w.stored(name, int64(i+1)*7160); got != total {
				t.Errorf("%s, delivery %d: %+v in all, want %+v", name, i+1, got, total)
			}
		}
		if got := digest(t, database, name); got != want {
			t.Errorf("%s: digest %s, of the folder %s", name, got, want)
		}
	}
	waitFor(t, "the inbox to be empty", func() bool {
		left, err := filepath.Glob(filepath.Join(home, "spool/uploads/upload/*/*"))
		return err == nil && len(left) == 0
	})
}

// declare writes the file of suppliers.
func (w *ways) declare() (path string) {
	w.t.Helper()
	own := func(name, more string) string {
		return fmt.Sprintf("{token_hashes: [%q]%s}", supplier.HashOf(tokenOf(name)), more)
	}
	fetched := fmt.Sprintf(", url_prefixes: [%s/], internal_hosts: [127.0.0.1]", w.files.url)
	content := "suppliers:\n  drop:\n  nats:\n  bucket: {bucket: s3://deliveries/bucket/}\n" +
		"  publish: " + own("publish", fetched) + "\n  upload: " + own("upload", "") + "\n  import: " + own("import", fetched) + "\n" +
		"  submit: " + own("submit", fetched+`, submitters: ["https://a.example/submitters|clinic"]`) + "\n" +
		"syncs:\n  publish: {from: " + w.files.url + "/$bulk-publish, every: 0 2 29 2 *, supplier: publish}\n"
	return write(w.t, "suppliers.yaml", content)
}

// stored waits until a supplier's imports have so many resources and have ended, and sums up what became of them.
func (w *ways) stored(supplier string, resources int64) (c ledger.Counts) {
	w.t.Helper()
	for seen, n := int64(0), 1; seen < resources; n++ {
		seen, c = 0, ledger.Counts{}
		for _, s := range endedOf(w.t, w.env, supplier, n) {
			wantBalanced(w.t, supplier, s)
			if s.State != ledger.StateComplete {
				w.t.Fatalf("%s: %s %s", supplier, s.State, s.Reason)
			}
			r := s.Resources.Counts
			seen += r.Inserted + r.Updated + r.Unchanged + r.Stale
			c.Inserted, c.Updated, c.Unchanged, c.Stale = c.Inserted+r.Inserted, c.Updated+r.Updated, c.Unchanged+r.Unchanged, c.Stale+r.Stale
		}
	}
	return c
}

// tokenOf is the bearer token of a supplier.
func tokenOf(name string) string { return "stk." + name + ".secret" }

func (w *ways) byFolder(again bool) {
	deliver(w.t, w.dir, filepath.Join(w.drop, "drop", fmt.Sprint("delivery-", again)))
}

func (w *ways) byBucket(again bool) {
	nc := natstest.Connect(w.t, w.queue)
	for _, key := range w.store.upload(w.t, w.dir, fmt.Sprintf("bucket/%v/", again)) {
		event := fmt.Sprintf(`{"Records":[{"eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"deliveries"},"object":{"key":%q}}}]}`, key)
		if err := nc.Publish(fhirmsg.SubjectBucket, []byte(event)); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := nc.Flush(); err != nil {
		w.t.Fatal(err)
	}
}

func (w *ways) byUpload(bool) {
	names, err := filepath.Glob(filepath.Join(w.dir, "*.ndjson.gz"))
	if err != nil {
		w.t.Fatal(err)
	}
	bearer := []string{"Authorization", "Bearer " + tokenOf("upload")}
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			w.t.Fatal(err)
		}
		send(w.t, 201, "PUT", w.url+"/suppliers/upload/files/"+filepath.Base(name)+"?delivery=d", bytes.NewReader(content), bearer...)
	}
	send(w.t, 202, "POST", w.url+"/suppliers/upload/deliveries/d/complete", nil, bearer...)
}

func (w *ways) byImport(bool) {
	send(w.t, 202, "POST", w.url+"/fhir/import/$import", strings.NewReader(`{"resourceType":"Parameters","parameter":[
		{"name":"exportUrl","valueUrl":"`+w.files.url+`/$bulk-publish"},{"name":"exportType","valueCode":"static"}]}`),
		"Authorization", "Bearer "+tokenOf("import"), "Content-Type", "application/fhir+json", "Prefer", "respond-async")
}

func (w *ways) bySubmission(again bool) {
	s := &submitterOf{t: w.t, url: w.url, token: tokenOf("submit"), id: fmt.Sprint("submission-", again), baseURL: w.files.url}
	s.submit(s.ballot("/$bulk-publish") + says("http://hl7.org/fhir/event-status", "completed"))
}

func (w *ways) byPublication(again bool) {
	args := []string{"sync", "run", "publish", "--wait"}
	if again { // what is unchanged is asked for again only in full
		args = append(args, "--full")
	}
	if r := stoker(w.t, w.env, "", args...); r.code != 0 {
		w.t.Fatalf("%s%s", r.stdout, r.stderr)
	}
}

func (w *ways) byNATS(again bool) {
	nc := natstest.Connect(w.t, w.nats, nats.CustomInboxPrefix("_INBOX_nats"))
	js, err := jetstream.New(nc)
	if err != nil {
		w.t.Fatal(err)
	}
	for i, msg := range append(messages(w.t, w.dir), &nats.Msg{Header: nats.Header{fhirmsg.HeaderEnd: {"1"}}}) {
		msg.Subject = fhirmsg.DeliverSubject("nats")
		msg.Header.Set(fhirmsg.HeaderDelivery, fmt.Sprint(again))
		msg.Header.Set(nats.MsgIdHdr, fmt.Sprint(again, i))
		if _, err := js.PublishMsg(w.t.Context(), msg); err != nil {
			w.t.Fatal(err)
		}
	}
}
