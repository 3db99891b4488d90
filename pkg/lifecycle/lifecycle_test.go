package lifecycle

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
)

func TestExitCodes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		signals  []os.Signal
		run      func(context.Context) error
		wantCode int
		wantText string
	}{{
		name: "success",
		run:  func(context.Context) error { return nil },
	}, {
		name:     "failure",
		run:      func(context.Context) error { return errors.New("no queue") },
		wantCode: 1,
		wantText: "parser: no queue\n",
	}, {
		name: "a code of its own",
		run: func(context.Context) error {
			return fmt.Errorf("import: %w", Exit{Code: 3, Err: errors.New("rejects")})
		},
		wantCode: 3,
		wantText: "parser: import: rejects\n",
	}, {
		name:     "a code without a word",
		run:      func(context.Context) error { return Exit{Code: 4} },
		wantCode: 4,
	}, {
		name:    "stops cleanly",
		signals: []os.Signal{syscall.SIGTERM},
		run:     func(ctx context.Context) error { <-ctx.Done(); return nil },
	}, {
		name:     "ends with the context's error",
		signals:  []os.Signal{syscall.SIGTERM},
		run:      func(ctx context.Context) error { <-ctx.Done(); return fmt.Errorf("wait: %w", ctx.Err()) },
		wantCode: 143,
	}, {
		name:     "ends with the context's cause",
		signals:  []os.Signal{syscall.SIGINT},
		run:      func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) },
		wantCode: 130,
	}, {
		name:     "fails while stopping",
		signals:  []os.Signal{syscall.SIGINT},
		run:      func(ctx context.Context) error { <-ctx.Done(); return errors.New("flush failed") },
		wantCode: 1,
		wantText: "parser: flush failed\n",
	}, {
		name:     "does not stop",
		signals:  []os.Signal{syscall.SIGINT, syscall.SIGTERM},
		run:      func(context.Context) error { select {} },
		wantCode: 143,
		wantText: "parser: stopped at once\n",
	}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			signals := make(chan os.Signal, 2)
			for _, s := range tt.signals {
				signals <- s
			}
			var stderr strings.Builder
			code := supervise("parser", &stderr, signals, tt.run)
			if code != tt.wantCode {
				t.Errorf("exit code %d, want %d", code, tt.wantCode)
			}
			if got := stderr.String(); got != tt.wantText {
				t.Errorf("stderr %q, want %q", got, tt.wantText)
			}
		})
	}
}

func TestUnit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		ctx, stop := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
		unit, cancel := Unit(ctx, time.Minute)
		defer cancel()
		if got := unit.Value(key{}); got != "value" {
			t.Errorf("value %v, want that of the context", got)
		}
		time.Sleep(time.Hour)
		if err := unit.Err(); err != nil {
			t.Fatalf("the unit ended before its context: %v", err)
		}
		stopped := time.Now()
		stop()
		<-unit.Done()
		if got, want := time.Since(stopped), time.Minute; got != want {
			t.Errorf("the unit outlived its context by %v, want %v", got, want)
		}
		if got := context.Cause(unit); !errors.Is(got, context.DeadlineExceeded) {
			t.Errorf("cause %v, want that the time is up", got)
		}
	})
}

func TestUnitCancelLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // fails when a goroutine stays
		ctx, stop := context.WithCancel(t.Context())
		unit, cancel := Unit(ctx, time.Minute)
		stop()
		began := time.Now()
		cancel()
		synctest.Wait()
		if unit.Err() == nil || !time.Now().Equal(began) {
			t.Error("cancel did not end the unit at once")
		}
	})
}

func TestRetry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		began, calls := time.Now(), 0
		err := Retry(t.Context(), zerolog.New(&log), "migrate the database", func(context.Context) error {
			if calls++; calls < 12 {
				return errors.New("connection refused")
			}
			return nil
		})
		if err != nil || calls != 12 {
			t.Errorf("Retry: %v after %d calls, want success after 12", err, calls)
		}
		// 0.1, 0.2, 0.4, 0.8 and 1.6 s, then 3 s each.
		if got, want := time.Since(began), 3100*time.Millisecond+6*3*time.Second; got != want {
			t.Errorf("took %v, want %v", got, want)
		}
		if got, want := strings.Count(log.String(), "migrate the database: waiting"), 2; got != want {
			t.Errorf("%d lines in the log, want %d:\n%s", got, want, &log)
		}
	})
}

func TestRetryEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began, last := time.Now(), errors.New("no answer")
		err := Retry(ctx, zerolog.Nop(), "set up JetStream", func(context.Context) error { return last })
		if !errors.Is(err, last) || time.Since(began) != time.Minute {
			t.Errorf("Retry: %v after %v, want the last error when the context ends", err, time.Since(began))
		}
	})
}

// TestRetryIsStopped: that f was cut off by the end of its context is no news.
func TestRetryIsStopped(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	var log strings.Builder
	err := Retry(ctx, zerolog.New(&log), "set up JetStream", func(ctx context.Context) error { stop(); return ctx.Err() })
	if !errors.Is(err, context.Canceled) || log.Len() > 0 {
		t.Errorf("Retry: %v, and in the log: %s", err, &log)
	}
}

// childVariable makes the test's own binary the program that the test signals.
const childVariable = "LIFECYCLE_TEST_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(childVariable) {
	case "clean":
		os.Exit(Main("child", os.Stderr, func(ctx context.Context) error {
			fmt.Println("ready")
			<-ctx.Done()
			return nil
		}))
	case "stubborn":
		os.Exit(Main("child", os.Stderr, func(ctx context.Context) error {
			fmt.Println("ready")
			<-ctx.Done()
			fmt.Println("stopping")
			select {}
		}))
	}
	os.Exit(m.Run())
}

func TestRealSignals(t *testing.T) {
	t.Parallel()
	tests := []struct {
		child    string
		signals  []os.Signal
		wantCode int
	}{
		{"clean", []os.Signal{syscall.SIGTERM}, 0},
		{"clean", []os.Signal{syscall.SIGINT}, 0},
		{"stubborn", []os.Signal{syscall.SIGTERM, syscall.SIGTERM}, 143},
		{"stubborn", []os.Signal{syscall.SIGINT, syscall.SIGINT}, 130},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.child, tt.wantCode), func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, os.Args[0])
			cmd.Env = append(os.Environ(), childVariable+"="+tt.child)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(out)
			for _, sig := range tt.signals {
				if !lines.Scan() { // ready, then stopping
					t.Errorf("the child ended early: %v", lines.Err())
				}
				if err := cmd.Process.Signal(sig); err != nil {
					t.Errorf("signal: %v", err)
				}
			}
			_ = cmd.Wait()
			if got := cmd.ProcessState.ExitCode(); got != tt.wantCode {
				t.Errorf("exit code %d, want %d", got, tt.wantCode)
			}
		})
	}
}
