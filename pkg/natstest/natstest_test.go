package natstest_test

import (
	"testing"

	"github.com/stoker-fhir/stoker/pkg/natstest"
)

// TestServersAreSeparate publishes on one server and wants no trace of it on another.
func TestServersAreSeparate(t *testing.T) {
	t.Parallel()
	one, err := natstest.New(t).Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer one.Close()
	two := natstest.Connect(t, natstest.Listen(t).URL())

	here, err := one.SubscribeSync("subject")
	if err != nil {
		t.Fatal(err)
	}
	there, err := two.SubscribeSync("subject")
	if err != nil {
		t.Fatal(err)
	}
	if err := two.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := one.Publish("subject", nil); err != nil {
		t.Fatal(err)
	}
	if err := one.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := two.Flush(); err != nil {
		t.Fatal(err)
	}
	if got, _, _ := here.Pending(); got != 1 {
		t.Errorf("own server: got %d messages, want 1", got)
	}
	if got, _, _ := there.Pending(); got != 0 {
		t.Errorf("other server: got %d messages, want 0", got)
	}
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		natstest.New(b).Close()
	}
}
