package drop

import (
	"bytes"
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"sync"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"
)

// notices are what inotify(7) tells of suppliers' folders: renames, by which a delivery is complete at
// once. Where it tells nothing, as of network file systems, deliveries are found by looking.
type notices struct {
	moved chan delivery
	dir   string
	log   zerolog.Logger
	fd    int      // not taken from file, which would make it block
	file  *os.File // nil: there is no inotify

	mu      sync.Mutex
	watches map[int32]string // suppliers
}

// watch begins to watch; nothing yet.
func watch(ctx context.Context, dir string, log zerolog.Logger) *notices {
	n := &notices{moved: make(chan delivery), dir: dir, log: log, watches: map[int32]string{}}
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		log.Warn().Err(err).Msg("no notices of the drop folder: deliveries are found by looking")
		return n
	}
	n.fd, n.file = fd, os.NewFile(uintptr(fd), "inotify")
	go n.read(ctx)
	return n
}

func (n *notices) close() {
	if n.file != nil {
		_ = n.file.Close() // ends read
	}
}

// watchFolders watches suppliers' folders that are not watched yet.
func (n *notices) watchFolders(suppliers []string) {
	if n.file == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, s := range suppliers {
		// The same folder again has the same watch, and a new one in its place another.
		id, err := unix.InotifyAddWatch(n.fd, filepath.Join(n.dir, s), unix.IN_MOVED_TO|unix.IN_ONLYDIR|unix.IN_DONT_FOLLOW)
		if err != nil {
			n.log.Debug().Err(err).Str("supplier", s).Msg("no notices of a folder: deliveries are found by looking")
			continue
		}
		n.watches[int32(id)] = s
	}
}

func (n *notices) read(ctx context.Context) {
	buf := make([]byte, 64<<10)
	for {
		size, err := n.file.Read(buf)
		if err != nil {
			return
		}
		for events := buf[:size]; len(events) >= unix.SizeofInotifyEvent; {
			id := int32(binary.NativeEndian.Uint32(events))
			mask := binary.NativeEndian.Uint32(events[4:])
			end := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(events[12:]))
			name := string(bytes.TrimRight(events[unix.SizeofInotifyEvent:end], "\x00"))
			events = events[end:]
			n.mu.Lock()
			supplier := n.watches[id]
			if mask&unix.IN_IGNORED != 0 { // the folder is gone
				delete(n.watches, id)
			}
			n.mu.Unlock()
			if mask&unix.IN_MOVED_TO == 0 || name == "" || supplier == "" {
				continue
			}
			select {
			case n.moved <- delivery{supplier, name}:
			case <-ctx.Done():
				return
			}
		}
	}
}
