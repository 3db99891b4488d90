package bus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"
)

// Bus publishes to and consumes from one NATS server or cluster.
type Bus struct {
	nc  *nats.Conn
	js  jetstream.JetStream
	log zerolog.Logger

	collectAfter time.Duration
	leastLarge   int64
	largeMu      sync.Mutex // one large payload is put at a time

	cutMu sync.Mutex
	cut   objectCut
}

// Connect opens a connection that outlives restarts of the server: it is made when the
// server comes up and made again whenever it is lost, until it is closed.
func Connect(url, name string, log zerolog.Logger) (*nats.Conn, error) {
	nc, err := nats.Connect(url, append(Reconnecting(log), nats.Name(name))...)
	if err != nil {
		return nil, fmt.Errorf("connect to NATS: %w", err)
	}
	return nc, nil
}

// Within half a minute is noticed that the server's machine vanished without a word: so many pings without an answer, or
// a write that is not taken. (By default it takes six.) A busy server may be some seconds late.
const (
	pingEvery  = 10 * time.Second
	pingsOut   = 2
	writeLimit = 20 * time.Second
)

// Reconnecting are the options of a connection that is never given up.
func Reconnecting(log zerolog.Logger) []nats.Option {
	return []nats.Option{
		nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(250 * time.Millisecond),
		nats.PingInterval(pingEvery), nats.MaxPingsOutstanding(pingsOut),
		nats.FlusherTimeout(writeLimit), nats.ReconnectOnFlusherError(),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn().Err(err).Msg("lost NATS, connecting again")
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { log.Info().Msg("connected to NATS again") }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			log.Warn().Err(err).Msg("NATS reports an error")
		}),
	}
}

// New makes a Bus over a connection, which stays the caller's to close.
func New(nc *nats.Conn, log zerolog.Logger) (*Bus, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("use JetStream: %w", err)
	}
	return &Bus{nc: nc, js: js, log: log, collectAfter: collectAfter, leastLarge: leastLarge}, nil
}

// Ready reports whether JetStream answers.
func (b *Bus) Ready(ctx context.Context) error {
	if !b.nc.IsConnected() {
		return errors.New("NATS: not connected")
	}
	if _, err := b.js.AccountInfo(ctx); err != nil {
		return fmt.Errorf("JetStream: %w", err)
	}
	return nil
}

// backOff waits before attempt n (from 1), longer each time, up to five seconds. It
// returns early, with the context's error, when the context ends.
func backOff(ctx context.Context, n int) error {
	wait := 5 * time.Second
	if n < 7 {
		wait = 50 * time.Millisecond << n
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
