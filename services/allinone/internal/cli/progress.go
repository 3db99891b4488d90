package cli

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// rate is how fast an import comes along.
type rate struct {
	started time.Time
}

// describe is lines and bytes a second since the beginning, and what is left.
func (r *rate) describe(s ledger.Status) string {
	if r.started.IsZero() {
		r.started = time.Now()
	}
	seconds := max(time.Since(r.started).Seconds(), 0.001)
	var bytes, size, read int64
	known := true
	for _, f := range s.Files {
		bytes += f.Bytes
		read += f.Read
		if f.Size < 0 && f.State == "waiting" {
			known = false
		}
		size += max(f.Size, f.Read)
	}
	text := fmt.Sprintf("%s lines, %s lines/s, %.1f MB/s", thousands(s.Lines.Read), thousands(int64(float64(s.Lines.Read)/seconds)), float64(bytes)/1e6/seconds)
	if known && read > 0 && read < size {
		left := time.Duration(seconds*float64(size-read)/float64(read)) * time.Second
		text += ", ETA " + left.Round(time.Second).String()
	}
	if s.Waiting != nil {
		text += "; " + describeWaiting(*s.Waiting)
	}
	return text
}

// lines shows progress as plain lines, one every few seconds.
type lines struct {
	out  io.Writer
	rate rate
	last time.Time
}

// lineEvery is the time between two plain lines.
const lineEvery = 2 * time.Second

func newLines(out io.Writer) *lines { return &lines{out: out, last: time.Now()} }

func (l *lines) show(s ledger.Status) {
	text := l.rate.describe(s)
	if time.Since(l.last) < lineEvery {
		return
	}
	l.last = time.Now()
	_, _ = fmt.Fprintf(l.out, "%s: %s, %s resources stored, %s in flight\n", s.State, text, thousands(stored(s)), thousands(s.Missing))
}

func (l *lines) close() {}

func stored(s ledger.Status) int64 {
	r := s.Resources
	return r.Inserted + r.Updated + r.Unchanged + r.Stale + r.Deleted + r.Skipped
}

// bars shows progress on a terminal: a bar for each file that is being read, one for what is
// stored, and a line with the types.
type bars struct {
	progress *mpb.Progress
	rate     rate

	mu    sync.Mutex
	text  string
	types string
	files map[int]*mpb.Bar
	total *mpb.Bar
	kinds *mpb.Bar
}

func newBars(out *os.File) *bars {
	b := &bars{progress: mpb.New(mpb.WithOutput(out), mpb.WithWidth(32), mpb.WithRefreshRate(120*time.Millisecond)), files: map[int]*mpb.Bar{}}
	b.total = b.progress.AddBar(0, mpb.BarPriority(1<<20), mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(decor.Name("stored", decor.WC{W: 28, C: decor.DindentRight})),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return b.get(&b.text) })))
	b.kinds = b.progress.New(0, mpb.NopStyle(), mpb.BarPriority(1<<20+1), mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(decor.Any(func(decor.Statistics) string { return b.get(&b.types) })))
	return b
}

func (b *bars) get(s *string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return *s
}

func (b *bars) show(s ledger.Status) {
	b.mu.Lock()
	b.text = b.rate.describe(s)
	b.types = describeTypes(s)
	b.mu.Unlock()
	b.total.SetTotal(max(s.Resources.Seen, 1), false)
	b.total.SetCurrent(s.Resources.Seen - max(s.Missing, 0))
	for i, f := range s.Files {
		bar := b.files[i]
		switch {
		case bar == nil && f.State == "open":
			b.files[i] = b.progress.AddBar(max(f.Size, 1), mpb.BarPriority(i), mpb.BarRemoveOnComplete(),
				mpb.PrependDecorators(decor.Name(shorten(f.Name, 26), decor.WC{W: 28, C: decor.DindentRight})),
				mpb.AppendDecorators(decor.CountersKiloByte("% .1f / % .1f")))
			b.files[i].SetCurrent(f.Read)
		case bar != nil && f.State == "open":
			bar.SetCurrent(min(f.Read, f.Size-1)) // the last byte is the file's closing
		case bar != nil:
			bar.SetTotal(-1, true)
		}
	}
}

func (b *bars) close() {
	for _, bar := range b.files {
		bar.SetTotal(-1, true)
	}
	b.total.SetTotal(-1, true)
	b.kinds.SetTotal(-1, true)
	b.progress.Wait()
}

// describeTypes names the types with the most resources.
func describeTypes(s ledger.Status) string {
	type count struct {
		name string
		n    int64
	}
	var counts []count
	for name, c := range s.ByType {
		counts = append(counts, count{name, c.Total()})
	}
	slices.SortFunc(counts, func(a, b count) int { return cmp.Or(-cmp.Compare(a.n, b.n), cmp.Compare(a.name, b.name)) })
	const shown = 5
	var parts []string
	for i, c := range counts {
		if i == shown {
			parts = append(parts, fmt.Sprintf("%d more types", len(counts)-shown))
			break
		}
		parts = append(parts, c.name+" "+thousands(c.n))
	}
	return strings.Join(parts, "  ")
}

// shorten keeps the end of a name, which tells most.
func shorten(name string, n int) string {
	runes := []rune(name)
	if len(runes) <= n {
		return name
	}
	return "…" + string(runes[len(runes)-n+1:])
}

// thousands writes a number with separators.
func thousands(n int64) string {
	digits := fmt.Sprint(n)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}
