package natsd_test

import (
	"net"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stoker-fhir/stoker/pkg/natsd"
)

// TestFreeAddress: no port that Linux gives out by itself, so that it is still free when a server is started again.
func TestFreeAddress(t *testing.T) {
	t.Parallel()
	for range 50 {
		address, err := natsd.WriteConfig(filepath.Join(t.TempDir(), "nats.conf"), t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := strconv.Atoi(port); err != nil || n < 1024 || n >= 32768 {
			t.Errorf("address is %s", address)
		}
	}
}
