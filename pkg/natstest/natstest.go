package natstest

import (
	"testing"

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
