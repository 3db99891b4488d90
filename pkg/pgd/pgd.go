package pgd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"
)

const (
	// superuser is the role that owns everything.
	superuser = "stoker"

	// port is part of the socket's name, nothing listens on it.
	port = "5432"

	// startTimeout leaves time for recovery after a crash, which may have max_wal_size to
	// go through.
	startTimeout = 5 * time.Minute
)

// Options say how a server runs.
type Options struct {
	Dir      string            // the server's own folder; made if missing
	Database string            // made if missing; empty is "stoker"
	Settings map[string]string // settings of PostgreSQL by name; they override the defaults
	Logger   zerolog.Logger    // gets what happens to the server, not the server's log

	// Detached lets the server outlive this process: nothing stops it but Close, or a
	// later Start in the same folder. It is for test servers that processes share.
	Detached bool
}

// Server is a running PostgreSQL.
type Server struct {
	url     string
	place   place
	process *process
	socket  socketDir
	lock    *os.File
}

// Start starts a server and returns once it takes connections and has the database. The
// caller closes it. Start ends with the context's error when that ends first, and gives up after
// five minutes. The error says what to do where no PostgreSQL is installed.
func Start(ctx context.Context, opts Options) (*Server, error) {
	if opts.Database == "" {
		opts.Database = "stoker"
	}
	if opts.Dir == "" {
		return nil, errors.New("start PostgreSQL: no folder given")
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	s, err := start(ctx, opts)
	if err != nil {
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	return s, nil
}

func start(ctx context.Context, opts Options) (*Server, error) {
	dir, err := filepath.Abs(opts.Dir)
	if err != nil {
		return nil, err
	}
	lock, err := claim(dir)
	if err != nil {
		return nil, err
	}
	s := &Server{lock: lock}
	if err := s.start(ctx, dir, opts); err != nil {
		s.release()
		return nil, err
	}
	if opts.Detached {
		s.release() // the claim cannot outlive this process, so it is not made
	}
	return s, nil
}

func (s *Server) start(ctx context.Context, dir string, opts Options) error {
	programs, err := s.settle(ctx, dir)
	if err != nil {
		return err
	}
	if err := stopOrphan(ctx, s.place.data(), opts.Logger); err != nil {
		return err
	}
	settings := merged(freeSpace(dir), opts.Settings)
	if err := ensureCluster(ctx, programs, s.place, settings["fsync"] != "off"); err != nil {
		return err
	}
	addCompression(ctx, programs, s.place, settings)
	s.socket, err = makeSocketDir(ctx, programs, s.place)
	if err != nil {
		return err
	}
	s.url = serverURL(s.socket.path, opts.Database)
	s.process, err = launch(ctx, launchOptions{
		program:  programs.postgres(),
		args:     arguments(s.place.data(), s.socket.path, settings),
		owner:    s.place.owner,
		logFile:  filepath.Join(dir, "postgresql.log"),
		detached: opts.Detached,
		ready:    func(ctx context.Context) error { return ping(ctx, serverURL(s.socket.path, "postgres")) },
	})
	if err != nil {
		return err
	}
	if err := ensureDatabase(ctx, s.socket.path, opts.Database); err != nil {
		return errors.Join(err, s.process.stop(context.WithoutCancel(ctx)))
	}
	go s.watch(opts.Logger)
	return nil
}

// settle finds the place of the data and the programs that fit it.
func (s *Server) settle(ctx context.Context, dir string) (programs, error) {
	search := installed()
	place, known, err := knownPlace(dir)
	if err != nil {
		return programs{}, err
	}
	if known {
		s.place = place
		return search.find(ctx, place.version())
	}
	found, err := search.find(ctx, "")
	if err != nil {
		return programs{}, err
	}
	s.place, err = newPlace(ctx, dir, found)
	return found, err
}

// watch tells when the server ended without being asked to.
func (s *Server) watch(log zerolog.Logger) {
	<-s.process.done
	if !s.process.stopping.Load() {
		log.Error().Int("pid", s.PID()).Msg("PostgreSQL has ended by itself")
	}
}

// URL is how to connect to the database, for pgx, psql and libpq alike.
func (s *Server) URL() string { return s.url }

// PID is the process id of the server.
func (s *Server) PID() int { return s.process.cmd.Process.Pid }

// DataDir is the folder of the database cluster.
func (s *Server) DataDir() string { return s.place.data() }

// Done is closed when the server has ended, by Close or otherwise.
func (s *Server) Done() <-chan struct{} { return s.process.done }

// Close ends all connections, stops the server in order and waits for its end. When the
// context ends first, the server is made to end without a checkpoint, which loses nothing
// but makes the next start longer, and the context's error is returned. It may be called again.
func (s *Server) Close(ctx context.Context) error {
	err := s.process.stop(ctx)
	s.release()
	if err != nil {
		return fmt.Errorf("stop PostgreSQL: %w", err)
	}
	return nil
}

func (s *Server) release() {
	if s.process == nil || s.process.ended() {
		s.socket.remove()
	}
	unclaim(s.lock)
}

// Remove deletes the folder and all its data, wherever they are, stopping a server that was left
// behind there. It fails if the folder is in use. A folder that is not there is no error.
func Remove(ctx context.Context, dir string) error {
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err := remove(ctx, dir); err != nil {
		return fmt.Errorf("remove PostgreSQL from %s: %w", dir, err)
	}
	return nil
}

func remove(ctx context.Context, dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	lock, err := claim(dir)
	if err != nil {
		return err
	}
	defer unclaim(lock)
	place, known, err := knownPlace(dir)
	if err != nil && !errors.Is(err, errPlaceGone) {
		return err
	}
	if known {
		if err := stopOrphan(ctx, place.data(), zerolog.Nop()); err != nil {
			return err
		}
		if err := os.RemoveAll(place.home); err != nil {
			return err
		}
	}
	return os.RemoveAll(dir)
}
