package pgd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

const (
	// elsewhere is for data that the server's user could not reach in its own folder.
	elsewhere       = "/var/lib/stoker"
	elsewherePrefix = "pg-"
	locationFile    = "location" // in the server's own folder, names the one in elsewhere
	ownerFile       = "owner"    // the other way round
)

// errPlaceGone is the error of a location file that names a folder which is not there.
var errPlaceGone = errors.New("the data is gone")

// place is where a cluster is and who runs it.
type place struct {
	home  string              // the folder of data and socket: Options.Dir, or one in elsewhere
	owner *syscall.Credential // nil: the user of this process
}

func (p place) data() string { return filepath.Join(p.home, "data") }

// version is the major version of the cluster, empty if there is none yet.
func (p place) version() string {
	text, err := os.ReadFile(filepath.Join(p.data(), "PG_VERSION"))
	if err != nil {
		return "" // what is wrong with the folder, the server will say better
	}
	return strings.TrimSpace(string(text))
}

// give makes a path the server's.
func (p place) give(path string) error {
	if p.owner == nil {
		return nil
	}
	return os.Lchown(path, int(p.owner.Uid), int(p.owner.Gid))
}

// knownPlace finds the place of an earlier start.
func knownPlace(dir string) (_ place, known bool, _ error) {
	home := dir
	text, err := os.ReadFile(filepath.Join(dir, locationFile))
	switch {
	case err == nil:
		home = strings.TrimSpace(string(text))
		// Checked since Remove deletes what is named here.
		if filepath.Dir(home) != elsewhere || !strings.HasPrefix(filepath.Base(home), elsewherePrefix) {
			return place{}, false, fmt.Errorf("%s names a folder that is not Stoker's", filepath.Join(dir, locationFile))
		}
		if _, err := os.Stat(home); errors.Is(err, os.ErrNotExist) {
			return place{}, false, fmt.Errorf("%w from %s; to start with an empty database delete %s", errPlaceGone, home, dir)
		}
	case !errors.Is(err, os.ErrNotExist):
		return place{}, false, err
	}
	p := place{home: home}
	info, err := os.Stat(p.data())
	switch {
	case errors.Is(err, os.ErrNotExist) && home == dir:
		return place{}, false, nil
	case errors.Is(err, os.ErrNotExist): // initdb did not get to its end there
		p.owner, err = serverUser()
		return p, true, err
	case err != nil:
		return place{}, false, err
	}
	if p.owner, err = ownerOf(info); err != nil {
		return place{}, false, err
	}
	if p.version() == "" {
		return place{}, false, fmt.Errorf("%s has no file PG_VERSION, so it is not PostgreSQL's", p.data())
	}
	return p, true, nil
}

// newPlace chooses where the first start puts the data.
func newPlace(ctx context.Context, dir string, programs programs) (place, error) {
	owner, err := serverUser()
	if err != nil || owner == nil {
		return place{home: dir}, err
	}
	if err := enter(ctx, owner, programs, "/"); err != nil {
		return place{}, fmt.Errorf("PostgreSQL does not run as root, and not as user id %d: %w", owner.Uid, err)
	}
	if enter(ctx, owner, programs, dir) == nil {
		return place{home: dir, owner: owner}, nil
	}
	if err := os.MkdirAll(elsewhere, 0o711); err != nil {
		return place{}, err
	}
	sweep()
	home, err := os.MkdirTemp(elsewhere, elsewherePrefix)
	if err != nil {
		return place{}, err
	}
	if err := os.Chmod(home, 0o711); err != nil {
		return place{}, err
	}
	if err := writePath(filepath.Join(dir, locationFile), home); err != nil {
		return place{}, err
	}
	// Second, since sweep compares the two.
	return place{home: home, owner: owner}, writePath(filepath.Join(home, ownerFile), dir)
}

// writePath is all or nothing: half a path would hide the data.
func writePath(file, path string) error {
	if err := os.WriteFile(file+".new", []byte(path+"\n"), 0o600); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

// readPath reads what writePath wrote, empty if it cannot.
func readPath(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(string(text), "\n")
}

// sweep deletes data whose folder was a temporary one and is gone, or made anew since. Of
// other folders that are gone we cannot know: they may be on a disk that comes back.
func sweep() {
	owners, _ := filepath.Glob(filepath.Join(elsewhere, elsewherePrefix+"*", ownerFile))
	for _, file := range owners {
		home, dir := filepath.Dir(file), readPath(file)
		temporary := strings.HasPrefix(dir, filepath.Clean(os.TempDir())+"/")
		if temporary && readPath(filepath.Join(dir, locationFile)) != home {
			_ = os.RemoveAll(home) // what stays is tried again
		}
	}
}

// enter tells, by doing it, whether a user can run the programs with dir as its folder:
// permissions of all parents, access control lists and mount options have a say in that.
func enter(ctx context.Context, owner *syscall.Credential, programs programs, dir string) error {
	cmd := exec.CommandContext(ctx, programs.postgres(), "--version")
	prepare(cmd, owner)
	cmd.Dir = dir
	return cmd.Run()
}

// serverUser is who runs a new server: nil for ourselves, and someone else for root.
func serverUser() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		account, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(account.Uid, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("user id of %s: %w", name, err)
		}
		gid, err := strconv.ParseUint(account.Gid, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("group id of %s: %w", name, err)
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("PostgreSQL does not run as root, and there is no user postgres or nobody to run it as")
}

// ownerOf is who runs a server on existing data: its owner, since PostgreSQL refuses others.
func ownerOf(data os.FileInfo) (*syscall.Credential, error) {
	stat, ok := data.Sys().(*syscall.Stat_t)
	if !ok || int(stat.Uid) == os.Geteuid() && stat.Uid != 0 {
		return nil, nil
	}
	if os.Geteuid() != 0 {
		return nil, fmt.Errorf("the data belongs to user id %d: start as that user or as root", stat.Uid)
	}
	if stat.Uid == 0 {
		return nil, errors.New("the data belongs to root, who may not run PostgreSQL: give it to another user")
	}
	return &syscall.Credential{Uid: stat.Uid, Gid: stat.Gid}, nil
}
