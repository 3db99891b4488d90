package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// process is a program that is started again after each of its ends.
type process struct {
	name    string
	program string
	args    []string
	env     []string
	log     string                 // path
	died    func(name, how string) // called when it ends by itself

	turn sync.Mutex // one fault at a time

	mu     sync.Mutex // guards what follows
	cmd    *exec.Cmd
	done   chan struct{}
	wanted bool // its end is
}

// start starts the program, with its output behind that of earlier starts.
func (p *process) start() error {
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close() //nolint:errcheck // the program has its own handle
	cmd := exec.Command(p.program, p.args...)
	cmd.Env = append(os.Environ(), p.env...)
	cmd.Stdout, cmd.Stderr = log, log
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	done := make(chan struct{})
	p.cmd, p.done, p.wanted = cmd, done, false
	go func() {
		_ = cmd.Wait() // how it ended is in ProcessState
		p.mu.Lock()
		wanted := p.wanted
		p.mu.Unlock()
		close(done)
		if !wanted {
			p.died(p.name, cmd.ProcessState.String())
		}
	}()
	return nil
}

// end sends a signal that is to end the program, and waits for that. After grace it is killed.
func (p *process) end(signal syscall.Signal, grace time.Duration) {
	p.mu.Lock()
	cmd, done := p.cmd, p.done
	p.wanted = true
	p.mu.Unlock()
	if cmd == nil {
		return
	}
	_ = cmd.Process.Signal(signal) // it may have ended
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		_ = cmd.Process.Kill() // it may have ended
		<-done
	}
}

// signal is for what does not end the program.
func (p *process) signal(s syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal %s: %w", p.name, err)
	}
	return nil
}

// suffer implements part.
func (p *process) suffer(ctx context.Context, f fault) error {
	p.turn.Lock()
	defer p.turn.Unlock()
	if ctx.Err() != nil {
		return nil
	}
	switch f.kind {
	case kill:
		p.end(syscall.SIGKILL, time.Minute)
		wait(ctx, f.length)
		return p.start()
	case stop:
		if err := p.signal(syscall.SIGSTOP); err != nil {
			return err
		}
		wait(ctx, f.length)
		return p.signal(syscall.SIGCONT)
	default:
		return fmt.Errorf("%s cannot suffer %s", p.name, f.kind)
	}
}

// wait returns early when the context ends.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
