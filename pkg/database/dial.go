package database

import (
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// vanished is how long a server may leave what it is sent without an answer of its system's, as when its machine is gone.
// One that works for long answers meanwhile.
const vanished = 25 * time.Second

// dial makes connections that notice within half a minute that the server's machine vanished without a word: the other side
// of what [Connect] has the server do.
func dial(timeout time.Duration) pgconn.DialFunc {
	d := &net.Dialer{
		Timeout: timeout, Control: limitUnanswered,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3},
	}
	return d.DialContext
}
