package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// Exit is an error that chooses the process's exit code.
type Exit struct {
	Code int
	Err  error // nil: nothing is printed
}

// Error implements error.
func (e Exit) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit code %d", e.Code)
	}
	return e.Err.Error()
}

// Unwrap gives the error that the code is about.
func (e Exit) Unwrap() error { return e.Err }

// Stopped is the cause of the context's end ([context.Cause]) after a signal.
type Stopped struct{ Signal os.Signal }

// Error implements error.
func (s Stopped) Error() string { return "stopped by signal: " + s.Signal.String() }

// Main runs a program and returns its exit code, for os.Exit. The error that run returns
// is printed to stderr after the program's name. The code is
//
//   - 0 where run returns nil, after a signal too;
//   - that of an [Exit] in the error;
//   - 128 + the signal's number (130 for SIGINT, 143 for SIGTERM) where run returns an
//     error because its context ended, and after a second signal;
//   - 1 for any other error.
//
// After a second signal it returns at once, while run is still running.
func Main(name string, stderr io.Writer, run func(context.Context) error) int {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(signals)
	return supervise(name, stderr, signals, run)
}

func supervise(name string, stderr io.Writer, signals <-chan os.Signal, run func(context.Context) error) int {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()

	var first os.Signal
	for {
		select {
		case err := <-done:
			return report(name, stderr, first, err)
		case sig := <-signals:
			if first != nil {
				_, _ = fmt.Fprintf(stderr, "%s: stopped at once\n", name)
				return signalCode(sig)
			}
			first = sig
			cancel(Stopped{Signal: sig})
		}
	}
}

// report prints what a program ended with and returns its exit code.
func report(name string, stderr io.Writer, stopped os.Signal, err error) int {
	if err == nil {
		return 0
	}
	if exit := (Exit{}); errors.As(err, &exit) {
		if exit.Err != nil {
			_, _ = fmt.Fprintf(stderr, "%s: %v\n", name, err)
		}
		return exit.Code
	}
	if stopped != nil && (errors.Is(err, context.Canceled) || errors.As(err, &Stopped{})) {
		return signalCode(stopped)
	}
	_, _ = fmt.Fprintf(stderr, "%s: %v\n", name, err)
	return 1
}

func signalCode(sig os.Signal) int {
	if number, ok := sig.(syscall.Signal); ok {
		return 128 + int(number)
	}
	return 1
}
