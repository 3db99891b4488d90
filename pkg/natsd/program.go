package natsd

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
)

// WriteConfig writes the configuration of a nats-server that runs by itself on this machine, as a program, with JetStream synced to disk before
// it acknowledges. It returns the address that the server will listen on, that of [FreeAddress].
func WriteConfig(file, storeDir string) (address string, err error) {
	if address, err = FreeAddress(); err != nil {
		return "", err
	}
	text := fmt.Sprintf("listen: %q\njetstream { store_dir: %q, sync_interval: always }\n", address, storeDir)
	return address, os.WriteFile(file, []byte(text), 0o600)
}

// Ports that neither Linux (from 32768) nor others (from 49152) give out by themselves.
const (
	firstPort = 20000
	ports     = 12000
)

// FreeAddress is an address of this machine whose port is free now, and stays so while the server that is to listen there is not up: no
// connection, and nobody else's listener that asks for any port, gets it.
func FreeAddress() (address string, err error) {
	for range 20 {
		address = net.JoinHostPort("127.0.0.1", strconv.Itoa(firstPort+rand.IntN(ports)))
		var l net.Listener
		if l, err = net.Listen("tcp", address); err == nil {
			return address, l.Close()
		}
	}
	return "", fmt.Errorf("no free port: %w", err)
}
