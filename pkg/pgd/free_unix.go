//go:build unix

package pgd

import "syscall"

// freeSpace is what a folder's disk has free for others than root, in bytes; 0 is unknown.
func freeSpace(dir string) int64 {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(dir, &stat); err != nil {
		return 0
	}
	return int64(stat.Bavail) * int64(stat.Bsize)
}
