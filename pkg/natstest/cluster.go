package natstest

import (
	"fmt"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/stoker-fhir/stoker/pkg/natsd"
)

// Cluster starts servers that are one cluster, and returns the addresses at which it is reached.
func Cluster(t testing.TB, size int) (urls []string) {
	t.Helper()
	var routes []*url.URL
	for range size {
		address, err := natsd.FreeAddress()
		if err != nil {
			t.Fatalf("natstest: %v", err)
		}
		routes = append(routes, &url.URL{Scheme: "nats", Host: address})
	}
	var servers []*server.Server
	for i, route := range routes {
		port, err := strconv.Atoi(route.Port())
		if err != nil {
			t.Fatalf("natstest: %v", err)
		}
		options := &server.Options{
			ServerName: fmt.Sprintf("stoker-%d", i), Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true,
			JetStream: true, StoreDir: t.TempDir(),
			Cluster: server.ClusterOpts{Name: "stoker", Host: route.Hostname(), Port: port}, Routes: routes,
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
