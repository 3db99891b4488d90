package natsd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"
)

const (
	readyTimeout = 10 * time.Second

	// Stoker keeps its streams in files. This is only a ceiling for streams in memory, in
	// place of the server's default of three quarters of the machine's memory.
	maxMemoryStreams = 64 << 20

	// What one stream may hold in memory before it is stored. The server's default is four
	// times as much; a publisher past it is refused and tries again.
	maxStreamBuffer = 32 << 20
)

// Options say how a server runs.
type Options struct {
	StoreDir   string         // the folder that JetStream keeps its streams in; made if missing
	Listen     string         // host:port to listen on, port 0 for any; empty: this process only
	SyncAlways bool           // sync to disk before every acknowledgement
	MaxPayload int32          // largest message in bytes; 0 is the server's default, 1 MiB
	MaxStore   int64          // bytes that all streams together may reserve; 0 is three quarters of the free disk
	Logger     zerolog.Logger // gets the server's warnings and errors
}

// Server is a running server.
type Server struct {
	nats *server.Server
	lock *os.File
	url  string
}

// Start starts a server and returns once it takes connections. The caller closes it. It
// fails when the folder is in use, cannot be written, or when the address is taken.
func Start(ctx context.Context, opts Options) (*Server, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("start NATS: %w", err)
	}
	lock, err := claim(opts.StoreDir)
	if err != nil {
		return nil, fmt.Errorf("start NATS: %w", err)
	}
	s, err := start(opts)
	if err != nil {
		unlock(lock)
		return nil, fmt.Errorf("start NATS: %w", err)
	}
	s.lock = lock
	return s, nil
}

func start(opts Options) (*Server, error) {
	options, err := serverOptions(opts)
	if err != nil {
		return nil, err
	}
	ns, err := server.NewServer(options)
	if err != nil {
		return nil, err
	}
	log := newLog(opts.Logger)
	ns.SetLoggerV2(log, false, false, false)
	ns.Start() // returns once everything is up, or something failed, which only its log tells
	err = log.started()
	if err == nil && !ns.ReadyForConnections(readyTimeout) {
		err = errors.New("not ready for connections in time")
	}
	if err != nil {
		ns.Shutdown()
		ns.WaitForShutdown()
		return nil, err
	}
	s := &Server{nats: ns}
	if !options.DontListen {
		s.url = ns.ClientURL()
	}
	return s, nil
}

func serverOptions(opts Options) (*server.Options, error) {
	options := &server.Options{
		ServerName:             "stoker",
		NoSigs:                 true,
		NoLog:                  true, // its own; ours is set in its place
		DisableJetStreamBanner: true,
		MaxPayload:             opts.MaxPayload,
		JetStream:              true,
		StoreDir:               opts.StoreDir,
		SyncAlways:             opts.SyncAlways,
		JetStreamMaxMemory:     maxMemoryStreams,
		JetStreamMaxStore:      opts.MaxStore,
		StreamMaxBufferedSize:  maxStreamBuffer,
	}
	if opts.Listen == "" {
		options.DontListen = true
		return options, nil
	}
	host, port, err := net.SplitHostPort(opts.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen address: %w", err)
	}
	options.Host = host
	options.Port, err = strconv.Atoi(port)
	if err != nil || options.Port < 0 || options.Port > 65535 {
		return nil, fmt.Errorf("listen address %s: the port is not a number from 0 to 65535", opts.Listen)
	}
	if options.Port == 0 {
		options.Port = server.RANDOM_PORT // 0 would mean 4222
	}
	return options, nil
}

// claim makes the folder and locks it for this process.
func claim(dir string) (*os.File, error) {
	if dir == "" {
		return nil, errors.New("no folder for its streams given")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := flock(lock); err != nil {
		_ = lock.Close() // nothing was written
		return nil, fmt.Errorf("folder %s: %w", dir, err)
	}
	return lock, nil
}

// Connect opens a connection inside the process, without a socket. It is made again when
// it breaks, until the caller closes it. opts come after the defaults and may change them.
func (s *Server) Connect(opts ...nats.Option) (*nats.Conn, error) {
	defaults := []nats.Option{
		nats.InProcessServer(s.nats),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(100 * time.Millisecond),
	}
	nc, err := nats.Connect("", append(defaults, opts...)...)
	if err != nil {
		return nil, fmt.Errorf("connect to NATS: %w", err)
	}
	return nc, nil
}

// URL is where others can connect, empty when the server does not listen.
func (s *Server) URL() string { return s.url }

// Close closes all connections, writes out what is not yet written, and returns once the
// server has ended. It may be called more than once.
func (s *Server) Close() {
	s.nats.Shutdown()
	s.nats.WaitForShutdown()
	unlock(s.lock)
}
