package bus_test

import (
	"context"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/stoker-fhir/stoker/pkg/bus"
	"github.com/stoker-fhir/stoker/pkg/natstest"
)

// TestNotices: of those who listen under one name, one gets each notice; under another name, one more does.
func TestNotices(t *testing.T) {
	t.Parallel()
	nc, err := natstest.New(t).Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	b, err := bus.New(nc, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	type notice struct{ name, content string }
	came := make(chan notice, 1000)
	group := new(errgroup.Group)
	for _, name := range []string{"fetcher", "fetcher", "other"} {
		group.Go(func() error {
			return b.Notices(ctx, "stoker.test", name, func(_ context.Context, m []byte) { came <- notice{name, string(m)} })
		})
	}
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for listening := map[string]bool{}; len(listening) < 2; { // what is published before is lost
		if err := b.Notify("stoker.test", []byte("ready")); err != nil {
			t.Fatal(err)
		}
		<-ticker.C
		for len(came) > 0 {
			listening[(<-came).name] = true
		}
	}
	for _, content := range []string{"1", "2", "last"} {
		if err := b.Notify("stoker.test", []byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	got := map[notice]int{}
	for left := 6; left > 0; {
		n := <-came
		if got[n]++; n.content != "ready" && got[n] == 1 {
			left--
		}
	}
	stop()
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
	for len(came) > 0 {
		got[<-came]++
	}
	for _, name := range []string{"fetcher", "other"} {
		for _, content := range []string{"1", "2", "last"} {
			if n := got[notice{name, content}]; n != 1 {
				t.Errorf("%s got %q %d times", name, content, n)
			}
		}
	}
}
