package natsconf

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"
	"github.com/rs/zerolog"

	"github.com/stoker-fhir/stoker/pkg/bus"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/natstest"
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// serve runs a server whose users are written here, and returns where, and Stoker's own connection.
func serve(t *testing.T, users []User) (url string, operator *bus.Bus) {
	t.Helper()
	dir := t.TempDir()
	var b bytes.Buffer
	check(t, Write(&b, users))
	// What the environment gives the server; parallel tests cannot change it.
	conf := strings.ReplaceAll(b.String(), "$NATS_PASSWORD", `"operators"`)
	check(t, os.WriteFile(filepath.Join(dir, "suppliers.conf"), []byte(conf), 0o600))
	main := filepath.Join(dir, "nats.conf")
	check(t, os.WriteFile(main, fmt.Appendf(nil, "listen: \"127.0.0.1:-1\"\njetstream { store_dir: %q }\ninclude \"suppliers.conf\"\n", dir), 0o600))
	opts, err := server.ProcessConfigFile(main)
	check(t, err)
	opts.NoSigs, opts.NoLog = true, true
	s, err := server.NewServer(opts)
	check(t, err)
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server did not start")
	}
	operator, err = bus.New(natstest.Connect(t, s.ClientURL(), nats.UserInfo("stoker", "operators")), zerolog.Nop())
	check(t, err)
	check(t, operator.Apply(t.Context(), []string{"Patient"}, nil))
	return s.ClientURL(), operator
}

// supplier is a connection whose refusals are collected.
func supplier(t *testing.T, url, inbox string, auth nats.Option) (nc *nats.Conn, refused chan error) {
	t.Helper()
	refused = make(chan error, 16)
	nc = natstest.Connect(t, url, auth, nats.CustomInboxPrefix(inbox),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err }))
	return nc, refused
}

// TestPermissions: a supplier delivers, by password or nkey, and can do nothing else.
func TestPermissions(t *testing.T) {
	t.Parallel()
	pair, err := nkeys.CreateUser()
	check(t, err)
	public, err := pair.PublicKey()
	check(t, err)
	url, operator := serve(t, []User{{Supplier: "a", Password: "a-password"}, {Supplier: "b", NKey: public}})
	a, refused := supplier(t, url, InboxPrefix("a"), nats.UserInfo("a", "a-password"))
	b, _ := supplier(t, url, InboxPrefix("b"), nats.Nkey(public, pair.Sign))
	for name, nc := range map[string]*nats.Conn{"a": a, "b": b} {
		js, err := jetstream.New(nc)
		check(t, err)
		for _, subject := range []string{fhirmsg.DeliverSubject(name), fhirmsg.SupplierFetchSubject(name)} {
			if _, err := js.Publish(t.Context(), subject, []byte("{}")); err != nil {
				t.Errorf("%s: %v", subject, err)
			}
		}
	}
	wantRefused := func(what string) {
		t.Helper()
		check(t, a.Flush())
		select {
		case err := <-refused:
			if !strings.Contains(strings.ToLower(err.Error()), "permissions violation") {
				t.Errorf("%s: %v", what, err)
			}
		case <-time.After(10 * time.Second):
			t.Errorf("%s was not refused", what)
		}
	}
	for _, subject := range []string{
		fhirmsg.ChunkSubject("a"), fhirmsg.DeliverSubject("b"), fhirmsg.SupplierFetchSubject("b"), fhirmsg.FetchSubject("a"), fhirmsg.DeliverSubject("a") + ".x",
		"stoker.resource.fhir.Patient", "stoker.reject.a", "stoker.statement.a", "stoker.journal.import.a.x", "stoker.dead.CHUNKS", "stoker.dead.FETCH.a",
		"$JS.API.STREAM.PURGE.CHUNKS", "$JS.API.STREAM.MSG.GET.DELIVER", "$JS.API.INFO", "$JS.ACK.CHUNKS.parser-a.1.1.1.1.0", "$SYS.REQ.SERVER.PING",
		"_INBOX.x", InboxPrefix("b") + ".x", "$O.LARGE.M.x",
	} {
		check(t, a.Publish(subject, []byte("{}")))
		wantRefused("publishing on " + subject)
	}
	for _, subject := range []string{">", "stoker.>", fhirmsg.DeliverSubject("a"), fhirmsg.DeliverSubject("b"), "_INBOX.>", InboxPrefix("b") + ".>", "$JS.>", "$SYS.>"} {
		_, err := a.Subscribe(subject, func(*nats.Msg) {})
		check(t, err)
		wantRefused("hearing " + subject)
	}
	if n, err := operator.Subjects(t.Context(), fhirmsg.StreamChunks, ">"); err != nil || len(n) != 0 {
		t.Errorf("chunks: %v, %v", n, err)
	}
	if n, err := operator.Subjects(t.Context(), fhirmsg.StreamDeliver, ">"); err != nil || len(n) != 2 {
		t.Errorf("deliveries: %v, %v", n, err)
	}
	for _, wrong := range []nats.Option{nats.UserInfo("a", "b-password"), nats.UserInfo("b", ""), nats.Name("nobody")} {
		if nc, err := nats.Connect(url, wrong); err == nil {
			nc.Close()
			t.Error("somebody without credentials was let in")
		}
	}
}

// TestAnswersElsewhere: an answer that a supplier has sent to somewhere else is nothing that JetStream obeys.
func TestAnswersElsewhere(t *testing.T) {
	t.Parallel()
	url, operator := serve(t, []User{{Supplier: "a", Password: "a-password"}})
	check(t, operator.Publish(t.Context(), fhirmsg.ChunkSubject("x"), "1", []byte("x")))
	a, _ := supplier(t, url, InboxPrefix("a"), nats.UserInfo("a", "a-password"))
	for _, subject := range []string{
		"$JS.API.STREAM.PURGE.CHUNKS", "$JS.API.STREAM.DELETE.CHUNKS", "$JS.API.CONSUMER.DELETE.RESOURCES.writer-Patient", "$JS.API.STREAM.MSG.DELETE.CHUNKS",
	} {
		for range 5 { // so that the sequence in the answer is beyond that of the chunk
			check(t, a.PublishRequest(fhirmsg.DeliverSubject("a"), subject, []byte("{}")))
		}
	}
	js, err := jetstream.New(a)
	check(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, err = js.Publish(ctx, fhirmsg.DeliverSubject("a"), []byte("{}")) // answered after those before
	check(t, err)
	if n, err := operator.Subjects(t.Context(), fhirmsg.StreamChunks, ">"); err != nil || len(n) != 1 {
		t.Errorf("chunks: %v, %v", n, err)
	}
	if err := operator.PauseType(t.Context(), "Patient", time.Hour); err != nil {
		t.Errorf("the consumer of a type: %v", err)
	}
}

// TestWrite: what cannot be written.
func TestWrite(t *testing.T) {
	t.Parallel()
	for _, u := range []User{
		{Supplier: "a"}, {Supplier: "A", Password: "x"}, {Supplier: `a"`, Password: "x"}, {Supplier: "a", NKey: "SUACSSL3"},
		{Supplier: "a", NKey: "U" + strings.Repeat("A", 54) + "}"}, {Supplier: "a", NKey: "U" + strings.Repeat("A", 55), Password: "x"},
	} {
		if err := Write(&bytes.Buffer{}, []User{u}); err == nil {
			t.Errorf("%+v was taken", u)
		}
	}
	var b bytes.Buffer
	check(t, Write(&b, []User{{Supplier: "a", Password: "the-password"}}))
	if strings.Contains(b.String(), "the-password") {
		t.Error("the password is written")
	}
}
