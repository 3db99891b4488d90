package outbound

import (
	"net/http"
	"strconv"
	"time"
)

// RetryAfter reads how long an answer asks to wait, in both forms of the header (RFC 9110, section 10.2.3); 0 where
// it does not ask. now is the time of whoever was answered; a time in the header is counted from the server's own, if
// the answer has that.
func RetryAfter(header http.Header, now time.Time) time.Duration {
	value := header.Get("Retry-After")
	if seconds, err := strconv.ParseInt(value, 10, 32); err == nil {
		return max(0, time.Duration(seconds)*time.Second)
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	if date, err := http.ParseTime(header.Get("Date")); err == nil {
		now = date
	}
	return max(0, at.Sub(now))
}
