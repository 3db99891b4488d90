package cli

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

// Columns of the source that is shown with an issue.
const (
	sourceIndent = 2
	defaultWidth = 100 // where the output is no terminal
	minWidth     = 40
)

// screen shows issues as they are found, and on a terminal how the validation comes along.
type screen struct {
	out      io.Writer // of the issues; nil: they are not shown
	width    int       // of the source; 0 is none
	progress *mpb.Progress
	bar      *mpb.Bar
	size     int64 // of all files, as far as it is known
	files    int
	read     int64 // of the files before
	started  time.Time

	mu   sync.Mutex
	text string
}

func (a *app) newScreen(f validateFlags, inputs []input) *screen {
	s := &screen{started: time.Now(), files: len(inputs)}
	if f.json {
		return s
	}
	s.out = a.io.Out
	stdout, stderr := terminal(a.io.Out), terminal(a.io.Err)
	if !f.noSource {
		s.width = defaultWidth - sourceIndent
		if stdout != nil {
			if width, _, err := term.GetSize(int(stdout.Fd())); err == nil {
				s.width = max(width, minWidth) - sourceIndent
			}
		}
	}
	for _, i := range inputs {
		s.size += max(i.file.Size, 0)
	}
	// Where both go to terminals, issues scroll above the bar.
	switch {
	case stdout != nil:
		s.begin(stdout)
		s.out = s.progress
	case stderr != nil:
		s.begin(stderr)
	}
	return s
}

// terminal returns the terminal that w is, or nil.
func terminal(w io.Writer) *os.File {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return f
	}
	return nil
}

func (s *screen) begin(out *os.File) {
	s.progress = mpb.New(mpb.WithOutput(out), mpb.WithWidth(32), mpb.WithRefreshRate(120*time.Millisecond))
	s.bar = s.progress.AddBar(0, mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(decor.Name("checked ")),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.text
		})))
}

// show shows the issues of a chunk, and what the report has come to with it.
func (s *screen) show(r *report, issues []issue) {
	if s.out != nil && r.maxIssues > 0 {
		for _, i := range issues {
			_, _ = fmt.Fprint(s.out, i) // a closed pipe ends the program soon enough
		}
	}
	if s.bar == nil {
		return
	}
	read := s.read
	if f := r.Files[len(r.Files)-1]; r.Totals.Files == int64(len(r.Files)) {
		s.read += f.read
		read = s.read
	} else {
		read += f.read
	}
	t := r.Totals
	seconds := max(time.Since(s.started).Seconds(), 0.001)
	s.mu.Lock()
	s.text = fmt.Sprintf("%d of %s, %s, %.1f MB/s, %s with errors", t.Files, plural(int64(s.files), "file"),
		plural(t.Lines, "line"), float64(t.Bytes)/1e6/seconds, thousands(t.WithErrors))
	s.mu.Unlock()
	s.bar.SetTotal(max(s.size, read+1), false)
	s.bar.SetCurrent(read)
}

// close takes the bar away.
func (s *screen) close() {
	if s.bar != nil {
		s.bar.SetTotal(-1, true)
		s.progress.Wait()
	}
}
