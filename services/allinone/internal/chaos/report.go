package chaos

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

const (
	tailLines = 12
	tailBytes = 16 << 10
	asked     = 10 * time.Second // at most, for each thing that a report tells
)

// report says how things stand: the plan, the imports, the queues and the ends of the logs. The
// services are asked for their stacks, which end up in their logs behind what is shown here.
func (r *round) report(ctx context.Context, p *pipeline, ids []fhirmsg.ImportID) string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d; to run it again: make chaos SEED=%d ROUNDS=1\n\nfaults, %d of them struck:\n", r.seed, r.seed, len(r.result.Struck))
	for _, f := range r.result.Planned {
		fmt.Fprintf(&b, "  %v\n", f)
	}
	b.WriteString("\nimports:\n")
	for i, id := range ids {
		b.WriteString(p.describe(ctx, i, id))
	}
	waiting := ""
	for _, stream := range queues {
		waiting += p.describeQueue(ctx, stream)
	}
	if waiting == "" {
		waiting = "  none: what is missing is nowhere\n"
	}
	b.WriteString("\nqueues with something in them:\n" + waiting)
	if n, err := p.dead(ctx); err != nil || n > 0 {
		fmt.Fprintf(&b, "  %s: %d (%v)\n", fhirmsg.StreamDead, n, err)
	}
	logs, _ := filepath.Glob(filepath.Join(p.dir, "*.log")) // the pattern is good
	logs = append(logs, filepath.Join(p.dir, "postgres", "postgresql.log"))
	for _, log := range logs {
		fmt.Fprintf(&b, "\n%s:\n%s", log, tail(log))
	}
	for _, s := range p.services {
		s.end(syscall.SIGQUIT, stopGrace)
	}
	return b.String()
}

func (p *pipeline) describe(ctx context.Context, number int, id fhirmsg.ImportID) string {
	ctx, cancel := context.WithTimeout(ctx, asked)
	defer cancel()
	s, err := p.ledger().Progress(ctx, id)
	if err != nil {
		return fmt.Sprintf("  %d %s: %v\n", number, id, err)
	}
	open := 0
	for _, f := range s.Files {
		if f.State != "closed" {
			open++
		}
	}
	return fmt.Sprintf("  %d %s, %s to %s: %s %s, missing %d, divergent %d, %d of %d files open\n    %+v\n    %+v\n",
		number, id, s.Supplier, s.Dataset, s.State, s.Reason, s.Missing, s.Divergent, open, len(s.Files), s.Lines, s.Resources)
}

func (p *pipeline) describeQueue(ctx context.Context, stream string) string {
	ctx, cancel := context.WithTimeout(ctx, asked)
	defer cancel()
	backlog, err := p.bus.Backlog(ctx, stream)
	if err != nil {
		return fmt.Sprintf("  %s: %v\n", stream, err)
	}
	var lines []string
	for subject, n := range backlog {
		if n > 0 {
			lines = append(lines, fmt.Sprintf("  %s: %d\n", subject, n))
		}
	}
	if len(lines) > 0 {
		lines = append(lines, p.describeConsumers(ctx, stream))
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// describeConsumers tells how a stream and those of its consumers stand that were given anything.
func (p *pipeline) describeConsumers(ctx context.Context, name string) string {
	stream, err := p.stream(ctx, name)
	if err != nil {
		return fmt.Sprintf("  %s: %v\n", name, err)
	}
	state := stream.CachedInfo().State
	text := fmt.Sprintf("  %s: %d messages from %d to %d\n", name, state.Msgs, state.FirstSeq, state.LastSeq)
	consumers := stream.ListConsumers(ctx)
	for c := range consumers.Info() {
		if c.Delivered.Consumer > 0 || c.NumPending > 0 {
			text += fmt.Sprintf("    %s: delivered up to %d, acknowledged up to %d, %d not acknowledged, %d to come, %d requests\n",
				c.Name, c.Delivered.Stream, c.AckFloor.Stream, c.NumAckPending, c.NumPending, c.NumWaiting)
		}
	}
	if err := consumers.Err(); err != nil {
		text += fmt.Sprintf("    %v\n", err)
	}
	return text
}

// messages is how many a stream holds.
func (p *pipeline) messages(ctx context.Context, name string) (uint64, error) {
	stream, err := p.stream(ctx, name)
	if err != nil {
		return 0, err
	}
	return stream.CachedInfo().State.Msgs, nil
}

func (p *pipeline) stream(ctx context.Context, name string) (jetstream.Stream, error) {
	js, err := jetstream.New(p.conn)
	if err != nil {
		return nil, err
	}
	stream, err := js.Stream(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", name, err)
	}
	return stream, nil
}

// tail is the end of a log.
func tail(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return "  " + err.Error() + "\n"
	}
	defer f.Close() //nolint:errcheck // only read
	info, err := f.Stat()
	if err != nil {
		return "  " + err.Error() + "\n"
	}
	b := make([]byte, min(info.Size(), tailBytes))
	if _, err := f.ReadAt(b, info.Size()-int64(len(b))); err != nil {
		return "  " + err.Error() + "\n"
	}
	lines := bytes.Split(bytes.TrimSuffix(b, []byte("\n")), []byte("\n"))
	lines = lines[max(0, len(lines)-tailLines):]
	return "  " + string(bytes.Join(lines, []byte("\n  "))) + "\n"
}
