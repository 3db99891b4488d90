package natstest

import (
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Cluster starts servers that are one cluster, and returns the addresses at which it is reached.
func Cluster(t testing.TB, size int) (urls []string) {
	t.Helper()
	ports := freePorts(t, size)
	var servers []*server.Server
	for i := range size {
		options := &server.Options{
			ServerName: fmt.Sprintf("stoker-%d", i), Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true,
			JetStream: true, StoreDir: t.TempDir(),
			Cluster: server.ClusterOpts{Name: "stoker", Host: "127.0.0.1", Port: ports[i]},
		}
		for _, port := range ports {
			options.Routes = append(options.Routes, server.RoutesFromStr(fmt.Sprintf("nats://127.0.0.1:%d", port))...)
		}
		s, err := server.NewServer(options)
		if err != nil {
			t.Fatalf("natstest: %v", err)
		}
		t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
		go s.Start()
		servers = append(servers, s)
	}
	end := time.Now().Add(patience)
	for _, s := range servers {
		for !s.ReadyForConnections(time.Second) || !s.JetStreamIsCurrent() {
			if time.Now().After(end) {
				t.Fatal("natstest: the cluster has not come up")
			}
			time.Sleep(10 * time.Millisecond)
		}
		urls = append(urls, s.ClientURL())
	}
	return urls
}

// freePorts are ports of the loopback address that nobody listens on.
func freePorts(t testing.TB, n int) (ports []int) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatalf("natstest: %v", err)
		}
		defer l.Close() //nolint:errcheck // nothing was written
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}
