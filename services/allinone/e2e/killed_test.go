package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/stoker-fhir/stoker/pkg/bus"
	"github.com/stoker-fhir/stoker/pkg/fhirdef"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/pgd"
	"github.com/stoker-fhir/stoker/pkg/pgtest"
)

// TestPostgreSQLKilledDuringCopy: kill -9 of PostgreSQL while a COPY has sent rows and is not at its
// end. The batch is held and stored when the server is back, once.
func TestPostgreSQLKilledDuringCopy(t *testing.T) {
	t.Parallel()
	source, want := patients(t)
	home := pgtest.Dir(t)
	server := pgtest.ServerIn(t, home)
	url, restart := startNATS(t, false)
	p := newPipelineOn(t, url, restart, server.URL())
	for _, name := range []string{"fetcher", "parser", "writer"} {
		p.start(name)
	}
	p.wait(p.request(fhirmsg.ImportRequest{Sources: []fhirmsg.Source{{Path: firstLine(t, source)}}}))

	// A row in the middle waits for a lock that we hold, until the server dies with it.
	pool, err := pgxpool.New(t.Context(), p.databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if _, err := pool.Exec(t.Context(), `CREATE SEQUENCE public.copied;
		CREATE FUNCTION public.wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF nextval('public.copied') = 5 THEN PERFORM pg_advisory_xact_lock(1); END IF;
			RETURN NEW;
		END $$;
		CREATE TRIGGER wait BEFORE INSERT ON fhir.patient FOR EACH ROW EXECUTE FUNCTION public.wait()`); err != nil {
		t.Fatal(err)
	}
	holder, err := pgx.Connect(t.Context(), p.databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close(context.Background()) //nolint:errcheck // the server ended it
	if _, err := holder.Exec(t.Context(), `SELECT pg_advisory_lock(1)`); err != nil {
		t.Fatal(err)
	}
	id := p.request(fhirmsg.ImportRequest{Sources: []fhirmsg.Source{{Path: source}}})
	waitFor(t, "a COPY to be in its middle", func() bool {
		var copying int
		err := pool.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity
			WHERE query LIKE 'COPY "fhir"."patient"%' AND wait_event = 'advisory'`).Scan(&copying)
		return err == nil && copying > 0
	})
	if err := syscall.Kill(server.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-server.Done()
	startAgain(t, server, home)
	p.wantStored(id, want)
}

// startAgain starts a server that has ended, at its old place.
func startAgain(t *testing.T, server *pgd.Server, home string) {
	t.Helper()
	if err := server.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if again := pgtest.ServerIn(t, home); again.URL() != server.URL() {
		t.Fatalf("the server moved from %s to %s", server.URL(), again.URL())
	}
}

// firstLine is a file with the first line of another.
func firstLine(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // only read
	line, err := bufio.NewReader(f).ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	first := filepath.Join(t.TempDir(), filepath.Base(path))
	if err := os.WriteFile(first, line, 0o600); err != nil {
		t.Fatal(err)
	}
	return first
}

// TestNATSKilledBetweenPublishAndAck: kill -9 of the NATS server while messages are on their way
// without a break. All that was acknowledged is there, and what was not is there once.
func TestNATSKilledBetweenPublishAndAck(t *testing.T) {
	t.Parallel()
	const publishers, kills, between = 8, 3, 100
	url, restart := startNATS(t, true)
	p := newPipelineOn(t, url, restart, "postgres://")
	waitFor(t, "the streams", func() bool {
		return p.bus.Apply(t.Context(), fhirdef.ResourceTypes(fhirmsg.FHIRVersionR4), nil) == nil
	})
	subject := fhirmsg.ResourceSubject("fhir", "Patient")
	ctx, stop := context.WithCancel(t.Context())
	var acknowledged atomic.Int64
	published := make([]int, publishers) // by each
	group := new(errgroup.Group)
	for n := range publishers {
		group.Go(func() error {
			for ; ctx.Err() == nil; published[n]++ {
				id := fmt.Sprintf("%d-%d", n, published[n])
				if err := p.bus.Publish(t.Context(), subject, id, []byte(id)); err != nil {
					return err
				}
				acknowledged.Add(1)
			}
			return nil
		})
	}
	for range kills {
		enough := acknowledged.Load() + between
		waitFor(t, "messages to be acknowledged", func() bool { return acknowledged.Load() >= enough })
		p.restartNATS()
	}
	stop()
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for n, count := range published {
		for i := range count {
			want = append(want, fmt.Sprintf("%d-%d", n, i))
		}
	}
	if _, err := p.bus.Scan(t.Context(), fhirmsg.StreamResources, subject, func(m bus.Message) error {
		got = append(got, string(m.Data))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	slices.Sort(want)
	if err := sameMessages(got, want); err != nil {
		t.Error(err)
	}
}

func sameMessages(got, want []string) error {
	if slices.Equal(got, want) {
		return nil
	}
	all := map[string]int{}
	for _, id := range got {
		all[id]++
	}
	var problems []error
	for _, id := range want {
		if all[id] != 1 {
			problems = append(problems, fmt.Errorf("message %s is there %d times", id, all[id]))
		}
		delete(all, id)
	}
	return errors.Join(append(problems, fmt.Errorf("%d messages that nobody published", len(all)))...)
}
