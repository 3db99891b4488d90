package bench

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sync/errgroup"
)

func (b *bench) emptyCeiling(ctx context.Context) error {
	if _, err := b.Pool.Exec(ctx, `DROP TABLE IF EXISTS public.ceiling; CREATE TABLE public.ceiling (resource jsonb COMPRESSION lz4)`); err != nil {
		return err
	}
	return b.settleDown(ctx)
}

// ceiling has two psql copy the lines as they are. No JSON has the characters that quote and separate here.
func (b *bench) ceiling(ctx context.Context) error {
	const command = `\copy public.ceiling from stdin (format csv, quote e'\x01', delimiter e'\x02')`
	return b.shareOut(ctx, func(ctx context.Context, blocks <-chan []byte) error {
		psql := exec.CommandContext(ctx, "psql", "--no-psqlrc", "--quiet", "--command", command, b.Pool.Config().ConnString())
		reader, writer := io.Pipe()
		defer reader.Close() //nolint:errcheck // so that who writes does not wait for a psql that has failed
		go func() { _ = writer.CloseWithError(writeBlocks(writer, blocks)) }()
		psql.Stdin = reader
		if said, err := psql.CombinedOutput(); err != nil {
			return fmt.Errorf("psql: %w: %s", err, said)
		}
		return nil
	})
}

// binary copies them in the format that costs PostgreSQL least, over two connections of a program's own.
func (b *bench) binary(ctx context.Context) error {
	return b.shareOut(ctx, func(ctx context.Context, blocks <-chan []byte) error {
		conn, err := b.Pool.Acquire(ctx)
		if err != nil {
			return err
		}
		defer conn.Release()
		reader, writer := io.Pipe()
		defer reader.Close() //nolint:errcheck // so that who writes does not wait for a COPY that has failed
		go func() { _ = writer.CloseWithError(encodeBlocks(writer, blocks)) }()
		_, err = conn.Conn().PgConn().CopyFrom(ctx, reader, `COPY public.ceiling FROM STDIN (FORMAT binary)`)
		return err
	})
}

// shareOut reads the data once, and two at once copy what they get of it.
func (b *bench) shareOut(ctx context.Context, cp func(context.Context, <-chan []byte) error) error {
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
		group.Go(func() error { return cp(ctx, blocks) })
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

func writeBlocks(w io.Writer, blocks <-chan []byte) error {
	for block := range blocks {
		if _, err := w.Write(block); err != nil {
			return err
		}
	}
	return nil
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
