package stack

import (
	"errors"
	"fmt"
	"net"
	"syscall"
)

func listen(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s is in use; set STOKER_LISTEN (or --listen) to another address, such as 127.0.0.1:8081", address)
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	return l, nil
}
