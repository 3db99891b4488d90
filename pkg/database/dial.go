package database

import (
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// vanished is how long a server may leave what it is sent without an answer, as when its machine is gone; by default it is a quarter of
// an hour. One that waits for a lock does not read meanwhile what is copied to it, and that may take a while.
const vanished = 2 * time.Minute

// dial makes connections that notice that the server's machine vanished without a word: within half a minute where an answer is waited
// for, and else within [vanished]. It is the other side of what [Connect] has the server do.
func dial(timeout time.Duration) pgconn.DialFunc {
	d := &net.Dialer{
		Timeout: timeout, Control: limitUnanswered,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3},
	}
	return d.DialContext
}
