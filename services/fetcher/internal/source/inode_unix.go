//go:build unix

package source

import (
	"io/fs"
	"syscall"
)

// inode is the file's number in its file system, 0 if there is none.
func inode(info fs.FileInfo) uint64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(s.Ino) //nolint:unconvert // not the same type everywhere
	}
	return 0
}
