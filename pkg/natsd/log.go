package natsd

import (
	"fmt"
	"sync"

	"github.com/rs/zerolog"
)

// log passes the server's warnings and errors on. The server says in its log alone why it
// could not start, so until [log.started] fatal lines are kept as the reason.
type log struct {
	out zerolog.Logger

	mu      sync.Mutex
	running bool
	fatal   error
}

func newLog(out zerolog.Logger) *log {
	return &log{out: out.With().Str("component", "nats").Logger()}
}

// started ends the time of starting and returns what made it fail.
func (l *log) started() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running = true
	return l.fatal
}

func (l *log) Fatalf(format string, v ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.running {
		l.out.Error().Msgf(format, v...)
		return
	}
	if l.fatal == nil {
		l.fatal = fmt.Errorf(format, v...)
	}
}

func (l *log) Errorf(format string, v ...any) { l.out.Error().Msgf(format, v...) }
func (l *log) Warnf(format string, v ...any)  { l.out.Warn().Msgf(format, v...) }
func (l *log) Noticef(string, ...any)         {}
func (l *log) Debugf(string, ...any)          {}
func (l *log) Tracef(string, ...any)          {}
