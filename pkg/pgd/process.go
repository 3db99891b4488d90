package pgd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// The server logs each attempt to connect while it recovers, so they become rarer.
	firstReadyInterval = 10 * time.Millisecond
	lastReadyInterval  = 500 * time.Millisecond

	// retryInterval is for a start that found processes of a killed server still at work.
	retryInterval = 200 * time.Millisecond

	// quitTimeout is more than the five seconds after which an immediate shutdown turns
	// to SIGKILL.
	quitTimeout = 10 * time.Second

	maxLogSize = 8 << 20
)

// process is a server that was started.
type process struct {
	cmd      *exec.Cmd
	done     chan struct{} // closed once it has ended
	stopping atomic.Bool   // its end is wanted
}

type launchOptions struct {
	program  string
	args     []string
	owner    *syscall.Credential
	logFile  string
	detached bool
	ready    func(context.Context) error // nil once the server takes connections
}

// errInUse is the end of a server that found the data in use.
var errInUse = errors.New("the data is in use")

// launch starts a server and waits until it is ready. The processes of a server that was
// killed may need a moment to notice, and PostgreSQL rightly refuses to start before they
// are gone, so that is tried again.
func launch(ctx context.Context, opts launchOptions) (*process, error) {
	for {
		p, err := launchOnce(ctx, opts)
		if !errors.Is(err, errInUse) {
			return p, err
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), err)
		case <-time.After(retryInterval):
		}
	}
}

func launchOnce(ctx context.Context, opts launchOptions) (*process, error) {
	log, err := openLog(opts.logFile)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.file.Close() }() // the server has its own handle
	cmd := exec.Command(opts.program, opts.args...)
	prepare(cmd, opts.owner)
	cmd.Stdout, cmd.Stderr = log.file, log.file
	if opts.detached {
		cmd.SysProcAttr.Setsid = true
	} else {
		cmd.SysProcAttr.Setpgid = true
		dieWithParent(cmd.SysProcAttr, syscall.SIGINT)
	}
	p, err := run(cmd)
	if err != nil {
		return nil, err
	}
	if err := p.awaitReady(ctx, opts.ready, log); err != nil {
		return nil, errors.Join(err, p.quit())
	}
	return p, nil
}

// run starts a program and waits for it in a goroutine that has its thread to itself until
// the program has ended: the signal of dieWithParent is sent when the starting thread ends.
func run(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		_ = cmd.Wait() // how it ended is in its log
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

func (p *process) awaitReady(ctx context.Context, ready func(context.Context) error, log *serverLog) error {
	for wait := firstReadyInterval; ; wait = min(wait*3/2, lastReadyInterval) {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			said := log.tail()
			if strings.Contains(said, " F0001 ") { // lock_file_exists, of files and of shared memory
				return fmt.Errorf("%w: %s", errInUse, said)
			}
			return fmt.Errorf("it ended at once: %s", said)
		case <-ctx.Done():
			return fmt.Errorf("not ready: %w (%w)", ctx.Err(), err)
		case <-time.After(wait):
		}
	}
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// stop ends the server in order: connections are ended, a checkpoint is written.
func (p *process) stop(ctx context.Context) error {
	p.stopping.Store(true)
	if err := p.signal(syscall.SIGINT); err != nil {
		return err
	}
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		return errors.Join(ctx.Err(), p.quit())
	}
}

// quit ends the server at once; the next start recovers from the log.
func (p *process) quit() error {
	p.stopping.Store(true)
	if err := p.signal(syscall.SIGQUIT); err != nil {
		return err
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(quitTimeout):
		return errors.New("it does not end")
	}
}

func (p *process) signal(signal os.Signal) error {
	if err := p.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}
