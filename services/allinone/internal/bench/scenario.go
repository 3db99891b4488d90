package bench

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// scenario is one thing that is measured.
type scenario struct {
	name   string
	before func(*bench, context.Context) error // not measured
	run    func(*bench, context.Context) error
}

var scenarios = []scenario{
	{"ceiling", (*bench).emptyCeiling, (*bench).ceiling},
	{"off", (*bench).emptyDataset, func(b *bench, ctx context.Context) error {
		return b.importFolder(ctx, b.data[0], fhirmsg.ValidationOff)
	}},
	{"strict", (*bench).emptyDataset, func(b *bench, ctx context.Context) error {
		return b.importFolder(ctx, b.data[0], fhirmsg.ValidationStrict)
	}},
	{"fresh", (*bench).emptyDataset, func(b *bench, ctx context.Context) error { return b.importFolder(ctx, b.data[0], "") }},
	{"replay", (*bench).settleDown, (*bench).replay},
	{"reimport", (*bench).settleDown, func(b *bench, ctx context.Context) error { return b.importFolder(ctx, b.data[0], "") }},
	{"updates", (*bench).settleDown, func(b *bench, ctx context.Context) error { return b.importFolder(ctx, b.data[1], "") }},
}

// measurement is one run of a scenario.
type measurement struct {
	rate, megabytes float64            // a second
	cpu             map[string]float64 // seconds for a million resources, by process
}

func (b *bench) measure(ctx context.Context, s scenario) (measurement, error) {
	if err := s.before(b, ctx); err != nil {
		return measurement{}, err
	}
	used := map[string]float64{}
	for _, p := range b.processes {
		used[p.name] = cpu(p.pid)
	}
	start := time.Now()
	if err := s.run(b, ctx); err != nil {
		return measurement{}, err
	}
	seconds := time.Since(start).Seconds()
	m := measurement{rate: float64(b.resources) / seconds, megabytes: float64(b.bytes) / 1e6 / seconds, cpu: map[string]float64{}}
	for _, p := range b.processes {
		m.cpu[p.name] = (cpu(p.pid) - used[p.name]) * 1e6 / float64(b.resources)
	}
	return m, nil
}

// settleDown lets no scenario pay for the one before.
func (b *bench) settleDown(ctx context.Context) error {
	_, err := b.Pool.Exec(ctx, `CHECKPOINT`)
	return err
}

func (b *bench) emptyDataset(ctx context.Context) error {
	if _, err := b.Pool.Exec(ctx, `DROP SCHEMA IF EXISTS fhir CASCADE; DROP TABLE IF EXISTS public.ceiling`); err != nil {
		return err
	}
	// What is replayed is what this round imports.
	if err := b.Bus.Purge(ctx, fhirmsg.StreamResources); err != nil {
		return err
	}
	return b.settleDown(ctx)
}

func (b *bench) emptyCeiling(ctx context.Context) error {
	if _, err := b.Pool.Exec(ctx, `DROP TABLE IF EXISTS public.ceiling; CREATE TABLE public.ceiling (resource jsonb COMPRESSION lz4)`); err != nil {
		return err
	}
	return b.settleDown(ctx)
}

// ceiling copies the same lines over two connections, the files shared out by size.
func (b *bench) ceiling(ctx context.Context) error {
	files, err := filepath.Glob(filepath.Join(b.data[0], "*.ndjson"))
	if err != nil {
		return err
	}
	blocks := make(chan []byte, 4)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(blocks)
		for _, f := range files {
			if err := readBlocks(ctx, f, blocks); err != nil {
				return err
			}
		}
		return nil
	})
	for range 2 {
		group.Go(func() error {
			conn, err := b.Pool.Acquire(ctx)
			if err != nil {
				return err
			}
			defer conn.Release()
			reader, writer := io.Pipe()
			group.Go(func() error { return writer.CloseWithError(encodeBlocks(writer, blocks)) })
			_, err = conn.Conn().PgConn().CopyFrom(ctx, reader, `COPY public.ceiling FROM STDIN (FORMAT binary)`)
			return err
		})
	}
	return group.Wait()
}

// readBlocks reads whole lines in blocks of about a megabyte.
func readBlocks(ctx context.Context, path string, blocks chan<- []byte) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // only read
	var rest []byte
	for {
		block := make([]byte, len(rest)+1<<20)
		copy(block, rest)
		n, err := io.ReadFull(f, block[len(rest):])
		block = block[:len(rest)+n]
		last := bytes.LastIndexByte(block, '\n') + 1
		rest = bytes.Clone(block[last:])
		select {
		case blocks <- block[:last]:
		case <-ctx.Done():
			return ctx.Err()
		}
		if err != nil {
			return nil // the end; the data is ours and ends with a newline
		}
	}
}

// encodeBlocks writes lines in PostgreSQL's binary COPY format, one jsonb a row.
func encodeBlocks(w io.Writer, blocks <-chan []byte) error {
	buf := append([]byte("PGCOPY\n\xff\r\n\x00"), make([]byte, 8)...)
	for block := range blocks {
		for line := range bytes.Lines(block) {
			line = bytes.TrimSuffix(line, []byte("\n"))
			buf = binary.BigEndian.AppendUint16(buf, 1)
			buf = binary.BigEndian.AppendUint32(buf, uint32(len(line)+1))
			buf = append(append(buf, 1), line...)
		}
		if _, err := w.Write(buf); err != nil {
			return err
		}
		buf = buf[:0]
	}
	_, err := w.Write(append(buf, 0xff, 0xff))
	return err
}

// replay has the writers read the stream of resources from its beginning.
func (b *bench) replay(ctx context.Context) error {
	dataset := fhirmsg.ImportRequest{}.WithDefaults().Dataset
	subjects, err := b.Bus.Subjects(ctx, fhirmsg.StreamResources, fhirmsg.ResourceSubject(dataset, "*"))
	if err != nil {
		return err
	}
	var types []string
	for subject := range subjects {
		types = append(types, subject[strings.LastIndexByte(subject, '.')+1:])
	}
	if err := b.Bus.Rewind(ctx, types); err != nil {
		return err
	}
	// One type after the other: a list of all consumers, asked for again and again, would be measured too.
	return wait(ctx, func() (bool, error) {
		for len(types) > 0 {
			left, err := b.Bus.TypeBacklog(ctx, types[0])
			if err != nil || left.Messages > 0 {
				return false, err
			}
			types = types[1:]
		}
		return true, nil
	})
}
