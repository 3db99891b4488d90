package natsd_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/stoker-fhir/stoker/pkg/natsd"
)

func start(t *testing.T, opts natsd.Options) *natsd.Server {
	t.Helper()
	s, err := natsd.Start(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func connect(t *testing.T, s *natsd.Server, opts ...nats.Option) jetstream.JetStream {
	t.Helper()
	nc, err := s.Connect(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// TestRestartKeepsMessages publishes, restarts, and consumes: once with a sync before each
// acknowledgement and once without.
func TestRestartKeepsMessages(t *testing.T) {
	t.Parallel()
	for name, syncAlways := range map[string]bool{"synced": true, "not synced": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := within(t)
			opts := natsd.Options{StoreDir: filepath.Join(t.TempDir(), "a", "b"), SyncAlways: syncAlways}

			s := start(t, opts)
			js := connect(t, s)
			if _, err := js.CreateStream(ctx, jetstream.StreamConfig{
				Name: "KEPT", Subjects: []string{"kept.*"}, Storage: jetstream.FileStorage, MaxBytes: 1 << 20,
			}); err != nil {
				t.Fatal(err)
			}
			want := []string{"one", "two", "three"}
			for _, body := range want {
				if _, err := js.Publish(ctx, "kept."+body, []byte(body)); err != nil {
					t.Fatal(err)
				}
			}
			s.Close()

			js = connect(t, start(t, opts))
			consumer, err := js.CreateConsumer(ctx, "KEPT", jetstream.ConsumerConfig{
				Durable: "reader", AckPolicy: jetstream.AckExplicitPolicy,
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, body := range want {
				msg, err := consumer.Next(jetstream.FetchContext(ctx))
				if err != nil {
					t.Fatal(err)
				}
				if got := string(msg.Data()); got != body {
					t.Errorf("got %q, want %q", got, body)
				}
				if err := msg.DoubleAck(ctx); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestListens(t *testing.T) {
	t.Parallel()
	inside := start(t, natsd.Options{StoreDir: t.TempDir()})
	if got := inside.URL(); got != "" {
		t.Errorf("URL of a server that does not listen: got %q, want none", got)
	}
	outside := start(t, natsd.Options{StoreDir: t.TempDir(), Listen: "127.0.0.1:0"})
	if got := outside.URL(); !strings.HasPrefix(got, "nats://127.0.0.1:") {
		t.Fatalf("URL: got %q", got)
	}
	nc, err := nats.Connect(outside.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if err := nc.FlushWithContext(within(t)); err != nil {
		t.Error(err)
	}
}

func TestMaxPayload(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		set  int32
		want int64
	}{{0, 1 << 20}, {3 << 20, 3 << 20}} {
		nc, err := start(t, natsd.Options{StoreDir: t.TempDir(), MaxPayload: test.set}).Connect()
		if err != nil {
			t.Fatal(err)
		}
		if got := nc.MaxPayload(); got != test.want {
			t.Errorf("set %d: got %d, want %d", test.set, got, test.want)
		}
		nc.Close()
	}
}

func TestStartFails(t *testing.T) {
	t.Parallel()
	taken := start(t, natsd.Options{StoreDir: t.TempDir(), Listen: "127.0.0.1:0"})
	inUse := t.TempDir()
	start(t, natsd.Options{StoreDir: inUse})
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		opts natsd.Options
		want string
	}{
		"no folder":        {natsd.Options{}, "no folder"},
		"folder in use":    {natsd.Options{StoreDir: inUse}, "in use by another server"},
		"folder is a file": {natsd.Options{StoreDir: file}, "not a directory"},
		"address in use": {
			natsd.Options{StoreDir: t.TempDir(), Listen: strings.TrimPrefix(taken.URL(), "nats://")},
			"address already in use",
		},
		"no port":    {natsd.Options{StoreDir: t.TempDir(), Listen: "127.0.0.1"}, "listen address"},
		"odd port":   {natsd.Options{StoreDir: t.TempDir(), Listen: "127.0.0.1:x"}, "listen address"},
		"large port": {natsd.Options{StoreDir: t.TempDir(), Listen: "127.0.0.1:70000"}, "listen address"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := natsd.Start(t.Context(), test.opts)
			if err == nil {
				s.Close()
				t.Fatal("started")
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %q, want it to say %q", err, test.want)
			}
		})
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := natsd.Start(ended, natsd.Options{StoreDir: t.TempDir()}); !errors.Is(err, context.Canceled) {
		t.Errorf("ended context: got %v", err)
	}
}

// TestFailedStartFreesTheFolder starts on a taken address, then the same folder without.
func TestFailedStartFreesTheFolder(t *testing.T) {
	t.Parallel()
	taken := start(t, natsd.Options{StoreDir: t.TempDir(), Listen: "127.0.0.1:0"})
	dir := t.TempDir()
	if _, err := natsd.Start(t.Context(), natsd.Options{
		StoreDir: dir, Listen: strings.TrimPrefix(taken.URL(), "nats://"),
	}); err == nil {
		t.Fatal("started on a taken address")
	}
	start(t, natsd.Options{StoreDir: dir}).Close()
}

// TestCloseTwice also checks that connections of a closed server do not hang.
func TestCloseTwice(t *testing.T) {
	t.Parallel()
	s := start(t, natsd.Options{StoreDir: t.TempDir()})
	gone := make(chan struct{})
	nc, err := s.Connect(nats.DisconnectErrHandler(func(*nats.Conn, error) { close(gone) }))
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	s.Close()
	select {
	case <-gone:
	case <-within(t).Done():
		t.Error("the connection was not told")
	}
	nc.Close()
	if _, err := s.Connect(); err == nil {
		t.Error("connected to a closed server")
	}
}

// TestLogIsQuiet wants nothing logged by a server that starts, works and stops.
func TestLogIsQuiet(t *testing.T) {
	t.Parallel()
	var logged bytes.Buffer
	s := start(t, natsd.Options{
		StoreDir: t.TempDir(), SyncAlways: true, Logger: zerolog.New(zerolog.SyncWriter(&logged)),
	})
	js := connect(t, s)
	if _, err := js.CreateStream(within(t), jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}}); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if got := logged.String(); got != "" {
		t.Errorf("logged: %s", got)
	}
}
