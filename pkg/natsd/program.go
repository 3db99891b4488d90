package natsd

import (
	"fmt"
	"net"
	"os"
)

// WriteConfig writes the configuration of a nats-server that runs by itself on this machine, as a program, with JetStream synced to disk before
// it acknowledges. It returns the address that the server will listen on, a port that is free now.
func WriteConfig(file, storeDir string) (address string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	address = l.Addr().String()
	if err := l.Close(); err != nil {
		return "", err
	}
	text := fmt.Sprintf("listen: %q\njetstream { store_dir: %q, sync_interval: always }\n", address, storeDir)
	return address, os.WriteFile(file, []byte(text), 0o600)
}
