package natstest

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"github.com/stoker-fhir/stoker/pkg/natsd"
)

// New starts a server that only this process can reach, by [natsd.Server.Connect].
func New(t testing.TB) *natsd.Server {
	t.Helper()
	return start(t, "")
}

// Listen starts a server on a free port of the loopback address, for tests with further
// processes; [natsd.Server.URL] says where.
func Listen(t testing.TB) *natsd.Server {
	t.Helper()
	return start(t, "127.0.0.1:0")
}

// patience is how long a server may take to answer a new connection.
const patience = time.Minute

// Connect connects to a server wherever it runs, for the test. A connection to a server that is busy can end before it has begun: it is
// tried again for up to a minute.
func Connect(t testing.TB, url string, options ...nats.Option) *nats.Conn {
	t.Helper()
	options = append(options, nats.Timeout(patience))
	for end := time.Now().Add(patience); ; {
		nc, err := nats.Connect(url, options...)
		if err == nil {
			t.Cleanup(nc.Close)
			return nc
		}
		if time.Now().After(end) {
			t.Fatalf("natstest: %v", err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func start(t testing.TB, listen string) *natsd.Server {
	t.Helper()
	// The server's log is dropped: the testing package panics on lines that come after the
	// test's end.
	s, err := natsd.Start(t.Context(), natsd.Options{
		StoreDir: t.TempDir(), Listen: listen, Logger: zerolog.Nop(),
	})
	if err != nil {
		t.Fatalf("natstest: %v", err)
	}
	t.Cleanup(s.Close)
	return s
}
