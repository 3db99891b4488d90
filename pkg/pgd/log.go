package pgd

import (
	"errors"
	"io"
	"os"
	"strings"
)

// serverLog is the file that the server writes its log to.
type serverLog struct {
	file *os.File
	from int64 // where the lines of this start begin
}

// openLog opens the file to append to it; a large one is first put aside, in place of
// the one put aside before.
func openLog(path string) (*serverLog, error) {
	info, err := os.Stat(path)
	if err == nil && info.Size() > maxLogSize {
		if err := os.Rename(path, path+".1"); err != nil {
			return nil, err
		}
	} else if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	from, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &serverLog{file: file, from: from}, nil
}

// tail is the last that the server said since it was started, on one line.
func (l *serverLog) tail() string {
	text, err := io.ReadAll(io.NewSectionReader(l.file, l.from, 1<<16))
	if err != nil || len(text) == 0 {
		return "see " + l.file.Name()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-4):], "; ")
}
