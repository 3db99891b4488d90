package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/services/parser"
)

// What bounds the memory of a validation: how many files are read at once, how many chunks of
// each are ahead of what is shown, and how many bytes wait for workers or are with them, unless
// it is a single longer line.
const (
	maxReaders  = 16
	aheadChunks = 64
	aheadBytes  = 64 << 20
)

// validation checks files with several workers. Files are read in parallel too, since that may
// mean to decompress them; what is found comes in order all the same.
type validation struct {
	inputs    []input
	workers   int
	maxIssues int // to be shown; the others are only counted
	width     int // of the source that is shown with an issue, in columns; 0 is none

	budget  *semaphore.Weighted // of aheadBytes
	buffers sync.Pool
	shown   atomic.Int64 // issues so far, of those before the chunks in hand
}

// task is a chunk on its way to a worker, and what came of it.
type task struct {
	chunk  fhirmsg.Chunk
	weight int64         // of the budget
	done   chan struct{} // closed when result is there
	result result
}

// run hands what is found to handle, in the order of files and lines.
func (v *validation) run(ctx context.Context, handle func(*result)) error {
	group, ctx := errgroup.WithContext(ctx)
	v.budget = semaphore.NewWeighted(aheadBytes)
	work := make(chan *task)
	queues := make([]chan *task, len(v.inputs))
	for i := range queues {
		queues[i] = make(chan *task, aheadChunks)
	}
	group.Go(func() error {
		defer close(work)
		readers, ctx := errgroup.WithContext(ctx)
		readers.SetLimit(min(v.workers, maxReaders))
		for i := range v.inputs { // begun in order, so the first that is not at its end always goes on
			readers.Go(func() error { return v.read(ctx, i, queues[i], work) })
		}
		return readers.Wait()
	})
	for range v.workers {
		group.Go(func() error { return v.work(work) })
	}
	group.Go(func() error {
		for _, queue := range queues {
			if err := v.collect(ctx, queue, handle); err != nil {
				return err
			}
		}
		return nil
	})
	return group.Wait()
}

// collect hands on the results of one file.
func (v *validation) collect(ctx context.Context, queue <-chan *task, handle func(*result)) error {
	for {
		var t *task
		select {
		case t = <-queue:
		case <-ctx.Done():
			return ctx.Err()
		}
		if t == nil {
			return nil
		}
		select {
		case <-t.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		v.shown.Add(int64(len(t.result.issues)))
		handle(&t.result)
	}
}

// read reads one file. What is wrong with it is a result like others.
func (v *validation) read(ctx context.Context, index int, queue, work chan<- *task) error {
	defer close(queue)
	line, read, err := v.readChunks(ctx, index, queue, work)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	end := &task{done: make(chan struct{}), result: result{file: index, read: read, last: true}}
	if err != nil {
		end.result.fail(line, err)
	}
	close(end.done)
	return send(ctx, queue, end)
}

// readChunks returns the line and the bytes that it got to.
func (v *validation) readChunks(ctx context.Context, index int, queue, work chan<- *task) (line, read int64, err error) {
	if err := v.inputs[index].err; err != nil {
		return 0, 0, err
	}
	chunks, err := v.inputs[index].file.Open(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer chunks.Close() //nolint:errcheck // only read from
	line = 1
	for {
		chunk, err := chunks.Next()
		if errors.Is(err, io.EOF) {
			return line, chunks.Read(), nil
		}
		if err != nil {
			return line, chunks.Read(), err
		}
		line += chunk.Lines
		t := &task{chunk: chunk, weight: min(int64(len(chunk.Body)), aheadBytes), done: make(chan struct{})}
		t.result = result{file: index, read: chunks.Read()}
		if err := send(ctx, queue, t); err != nil {
			return line, 0, err
		}
		// What holds a part of the budget waits for workers only, which wait for nothing.
		if err := v.budget.Acquire(ctx, t.weight); err != nil {
			return line, 0, err
		}
		t.chunk.Body = v.keep(chunk.Body)
		if err := send(ctx, work, t); err != nil {
			return line, 0, err
		}
	}
}

func send(ctx context.Context, to chan<- *task, t *task) error {
	select {
	case to <- t:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// keep copies a body, which is the reader's until its next.
func (v *validation) keep(body []byte) []byte {
	if len(body) > fhirmsg.DefaultChunkSize {
		return bytes.Clone(body)
	}
	buf, ok := v.buffers.Get().(*[]byte)
	if !ok {
		buf = new([]byte)
		*buf = make([]byte, 0, fhirmsg.DefaultChunkSize)
	}
	return append((*buf)[:0], body...)
}

func (v *validation) release(body []byte) {
	if cap(body) == fhirmsg.DefaultChunkSize {
		v.buffers.Put(&body)
	}
}

// work checks chunks until there are no more.
func (v *validation) work(work <-chan *task) error {
	checker, err := parser.NewChecker()
	if err != nil {
		return err
	}
	for t := range work {
		rejects, statement, err := checker.Check(t.chunk)
		if err != nil {
			return err
		}
		t.result.inspect(t.chunk, rejects, statement, max(v.maxIssues-int(v.shown.Load()), 0), v.width)
		v.release(t.chunk.Body)
		t.chunk = fhirmsg.Chunk{}
		v.budget.Release(t.weight)
		close(t.done)
	}
	return nil
}
