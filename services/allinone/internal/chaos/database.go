package chaos

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/rs/zerolog"

	"github.com/stoker-fhir/stoker/pkg/pgd"
)

// database is a PostgreSQL that is started again after each of its ends.
type database struct {
	opts pgd.Options

	turn sync.Mutex // one fault at a time

	mu     sync.Mutex // guards what follows
	server *pgd.Server
	direct *pgxpool.Pool // past the proxies
}

// maxWALSize has checkpoints come so often that a server which was killed is up again within seconds, and faults meet them.
const maxWALSize = "256MB"

func startDatabase(ctx context.Context, dir string, settings map[string]string) (*database, error) {
	all := map[string]string{"max_wal_size": maxWALSize, "min_wal_size": maxWALSize}
	maps.Copy(all, settings)
	d := &database{opts: pgd.Options{Dir: dir, Settings: all, Logger: zerolog.Nop()}}
	return d, d.start(ctx)
}

func (d *database) start(ctx context.Context) error {
	server, err := pgd.Start(ctx, d.opts)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.server = server
	if d.direct != nil && d.direct.Config().ConnString() == server.URL() {
		return nil // it connects again
	}
	old := d.direct
	if d.direct, err = pgxpool.New(ctx, server.URL()); err != nil {
		return err
	}
	if old != nil {
		old.Close()
	}
	return nil
}

func (d *database) pool() *pgxpool.Pool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.direct
}

func (d *database) running() *pgd.Server {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.server
}

// address is where the server listens; a start may change it.
func (d *database) address() (network, address string) {
	u, err := url.Parse(d.running().URL())
	if err != nil {
		return "unix", ""
	}
	return "unix", filepath.Join(u.Query().Get("host"), ".s.PGSQL."+u.Query().Get("port"))
}

// urlAt is how to connect through a proxy.
func (d *database) urlAt(address string) (string, error) {
	u, err := url.Parse(d.running().URL())
	if err != nil {
		return "", fmt.Errorf("URL of the database: %w", err)
	}
	u.Host, u.RawQuery = address, "sslmode=disable"
	return u.String(), nil
}

// suffer implements part.
func (d *database) suffer(ctx context.Context, f fault) error {
	d.turn.Lock()
	defer d.turn.Unlock()
	if ctx.Err() != nil {
		return nil
	}
	server := d.running()
	keep := context.WithoutCancel(ctx) // it must be up again, whatever ends the faults
	switch f.kind {
	case kill, quit:
		signal := syscall.SIGKILL
		if f.kind == quit {
			signal = syscall.SIGQUIT
		}
		if err := syscall.Kill(server.PID(), signal); err != nil {
			return fmt.Errorf("%s PostgreSQL: %w", f.kind, err)
		}
		<-server.Done()
		wait(ctx, f.length)
		return d.restart(keep)
	case backend:
		if all := children(server.PID()); len(all) > 0 {
			victim := all[f.chance%uint64(len(all))]
			if err := syscall.Kill(victim, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("kill a backend: %w", err)
			}
		}
		wait(ctx, f.length)
		return d.awaitRecovery(keep)
	case stop:
		// The parent first, so that no more children come; each child has a group of its own.
		signalAll([]int{server.PID()}, syscall.SIGSTOP)
		all := children(server.PID())
		signalAll(all, syscall.SIGSTOP)
		wait(ctx, f.length)
		signalAll(all, syscall.SIGCONT)
		signalAll([]int{server.PID()}, syscall.SIGCONT)
		return nil
	default:
		return fmt.Errorf("PostgreSQL cannot suffer %s", f.kind)
	}
}

// restart starts a server that has ended.
func (d *database) restart(ctx context.Context) error {
	if err := d.running().Close(ctx); err != nil {
		return err
	}
	return d.start(ctx)
}

// awaitRecovery waits for a server that lost one of its processes. Where that was the one that recovers from
// an earlier loss, PostgreSQL gives up and wants to be started again.
func (d *database) awaitRecovery(ctx context.Context) error {
	server, ended := d.running(), false
	err := poll(ctx, time.Minute, "PostgreSQL to recover", func(ctx context.Context) bool {
		select {
		case <-server.Done():
			ended = true
		default:
		}
		return ended || d.pool().Ping(ctx) == nil
	})
	if ended {
		return d.restart(ctx)
	}
	return err
}

func signalAll(pids []int, signal syscall.Signal) {
	for _, pid := range pids {
		_ = syscall.Kill(pid, signal) // a child may have ended
	}
}

// children are the processes that a process started itself.
func children(pid int) (pids []int) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return nil
	}
	for _, field := range strings.Fields(string(b)) {
		if child, err := strconv.Atoi(field); err == nil {
			pids = append(pids, child)
		}
	}
	return pids
}

// close stops the server and deletes its data.
func (d *database) close(ctx context.Context) error {
	d.pool().Close()
	return errors.Join(d.running().Close(ctx), pgd.Remove(ctx, d.opts.Dir))
}
