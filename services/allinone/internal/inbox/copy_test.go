package inbox

import (
	"syscall"
	"testing"
)

func TestHasRoom(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		stat syscall.Statfs_t
		want bool
	}{
		{"enough", syscall.Statfs_t{Bsize: 4096, Bavail: 10, Files: 1000, Ffree: 10}, true},
		{"too few bytes", syscall.Statfs_t{Bsize: 4096, Bavail: 9, Files: 1000, Ffree: 1000}, false},
		{"too few files", syscall.Statfs_t{Bsize: 4096, Bavail: 1000, Files: 1000, Ffree: 9}, false},
		{"no files", syscall.Statfs_t{Bsize: 4096, Bavail: 1000, Files: 1000}, false},
		{"nothing said of files", syscall.Statfs_t{Bsize: 4096, Bavail: 10}, true},
	} {
		if got := hasRoom(tt.stat, 4*4096, 6*4096); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}
