package pgd

import "testing"

func TestMaxWALSize(t *testing.T) {
	t.Parallel()
	for free, want := range map[int64]string{0: "4096MB", 50 << 30: "5120MB", 1 << 40: "16384MB"} {
		if got := maxWALSize(free); got != want {
			t.Errorf("with %d GB free: %s, want %s", free>>30, got, want)
		}
	}
	if freeSpace(t.TempDir()) <= 0 {
		t.Error("no free space is known of a folder that can be written to")
	}
}
