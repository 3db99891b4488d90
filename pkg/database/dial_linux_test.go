package database

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// TestDial: connections notice in a short time that their server vanished.
func TestDial(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	pool, err := Connect(t.Context(), "postgres://u@"+listener.Addr().String()+"/d?connect_timeout=3", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	conn, err := pool.Config().ConnConfig.DialFunc(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	want := map[int]int{unix.TCP_USER_TIMEOUT: int(vanished.Milliseconds()), unix.TCP_KEEPIDLE: 10, unix.TCP_KEEPINTVL: 5, unix.TCP_KEEPCNT: 3}
	if err := raw.Control(func(fd uintptr) {
		for option, value := range want {
			if got, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, option); err != nil || got != value {
				t.Errorf("option %d is %d, %v; want %d", option, got, err, value)
			}
		}
	}); err != nil {
		t.Error(err)
	}
}
