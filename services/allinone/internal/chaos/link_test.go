package chaos

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// echo answers every byte with the same.
func echo(t *testing.T) (network, address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(conn, conn)
				_ = conn.Close()
			}()
		}
	}()
	return "tcp", l.Addr().String()
}

// line is a client's connection.
type line struct {
	t *testing.T
	net.Conn
}

func (c line) send() {
	c.t.Helper()
	if _, err := c.Write([]byte("x")); err != nil {
		c.t.Errorf("send: %v", err)
	}
}

// hears is whether an answer comes, or the connection's end; where one should, it is
// given time, and where none should, a moment.
func (c line) hears(should bool) (answer, end bool) {
	c.t.Helper()
	patience := moment
	if should {
		patience = soon
	}
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		c.t.Fatal(err)
	}
	n, err := c.Read(make([]byte, 1))
	return n == 1, err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
}

const (
	soon   = 20 * time.Second
	moment = 100 * time.Millisecond
)

// TestLink: what a client notices of each fault, while it lasts and after.
func TestLink(t *testing.T) {
	t.Parallel()
	tests := []struct {
		kind                     kind
		answerDuring, endDuring  bool
		answerAfter, endAfter    bool
		newAnswers, newEndsFirst bool // of a connection made while it lasts
	}{
		{kind: hole, answerAfter: true},
		{kind: deaf, endAfter: true},
		{kind: halfOpen, endAfter: true, newAnswers: true},
		{kind: refuse, endDuring: true, newEndsFirst: true},
		{kind: slow, answerDuring: true, newAnswers: true},
		{kind: cut, endDuring: true, newEndsFirst: true}, // at the first byte
	}
	for _, tt := range tests {
		t.Run(string(tt.kind), func(t *testing.T) {
			t.Parallel()
			network, address := echo(t)
			l, err := newLink("test", func() (string, string) { return network, address })
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(l.close)
			dial := func() line {
				conn, err := net.Dial("tcp", l.address())
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = conn.Close() })
				return line{t, conn}
			}
			old := dial()
			old.send()
			if answer, _ := old.hears(true); !answer {
				t.Fatal("no answer in fair weather")
			}
			over := make(chan error, 1)
			ctx, end := context.WithCancel(t.Context())
			defer end()
			go func() { over <- l.suffer(ctx, fault{kind: tt.kind, length: time.Hour}) }()
			for l.now.Load().kind == "" {
				wait(t.Context(), time.Millisecond)
			}
			if tt.kind != refuse {
				old.send()
			}
			if answer, end := old.hears(tt.answerDuring || tt.endDuring); answer != tt.answerDuring || end != tt.endDuring {
				t.Errorf("during: answer %v, end %v", answer, end)
			}
			answer, ended := false, true // a reset may come before the connection is made
			if conn, err := net.Dial("tcp", l.address()); err == nil {
				t.Cleanup(func() { _ = conn.Close() })
				_, _ = conn.Write([]byte("x")) // nor may it be there any more
				answer, ended = line{t, conn}.hears(tt.newAnswers || tt.newEndsFirst)
			}
			if answer != tt.newAnswers || ended != tt.newEndsFirst {
				t.Errorf("a new connection: answer %v, end %v", answer, ended)
			}
			end()
			if err := <-over; err != nil {
				t.Fatal(err)
			}
			if tt.answerAfter || tt.endAfter {
				if answer, end := old.hears(true); answer != tt.answerAfter || end != tt.endAfter {
					t.Errorf("after: answer %v, end %v", answer, end)
				}
			}
			last := dial()
			last.send()
			if answer, _ := last.hears(true); !answer {
				t.Error("no answer when it is over")
			}
		})
	}
}
