package pgd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// maxSocketDir is what fits before the socket's name: Linux allows 107 bytes, others 103.
const maxSocketDir = 103 - len("/.s.PGSQL."+port)

// socketDir is the folder of the unix socket.
type socketDir struct {
	path      string
	temporary bool
}

// makeSocketDir makes an empty folder that the server and we alone may enter.
func makeSocketDir(ctx context.Context, programs programs, place place) (socketDir, error) {
	if path := filepath.Join(place.home, "socket"); fitsSocket(path) {
		// What a killed server left there names a process id, which may be another's by now.
		err := errors.Join(os.RemoveAll(path), os.Mkdir(path, 0o700))
		if err == nil {
			err = place.give(path)
		}
		return socketDir{path: path}, err
	}
	for _, parent := range []string{os.TempDir(), "/tmp"} {
		path, err := os.MkdirTemp(parent, "stoker-")
		if err != nil {
			return socketDir{}, err
		}
		dir := socketDir{path: path, temporary: true}
		if err := place.give(path); err != nil {
			dir.remove()
			return socketDir{}, err
		}
		if fitsSocket(path) && (place.owner == nil || enter(ctx, place.owner, programs, path) == nil) {
			return dir, nil
		}
		dir.remove()
	}
	return socketDir{}, fmt.Errorf("no folder for a socket: %s and %s are too long or closed to the server's user", place.home, os.TempDir())
}

// fitsSocket also wants characters that mean nothing special in PostgreSQL's lists of
// folders and in URLs.
func fitsSocket(path string) bool {
	odd := strings.ContainsFunc(path, func(r rune) bool {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		return !letter && !strings.ContainsRune("/._-", r)
	})
	return !odd && len(path) <= maxSocketDir
}

func (d socketDir) remove() {
	if d.temporary {
		_ = os.RemoveAll(d.path) // an empty folder that stays does no harm
	}
}
