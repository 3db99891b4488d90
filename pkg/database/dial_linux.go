package database

import (
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// limitUnanswered has a connection end where what was sent has been [vanished] without an answer. Keepalives are sent on
// connections that are idle only; others would be given up after a quarter of an hour.
func limitUnanswered(network, _ string, conn syscall.RawConn) error {
	if !strings.HasPrefix(network, "tcp") {
		return nil
	}
	var set error
	err := conn.Control(func(fd uintptr) {
		set = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(vanished.Milliseconds()))
	})
	if err != nil {
		return err
	}
	return set
}
