package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/outbound"
	"github.com/stoker-fhir/stoker/pkg/s3"
)

// Errors that a caller tells apart. A server's refusal is a [StatusError].
var (
	ErrChanged   = errors.New("the content has changed since it was first opened")
	ErrCut       = errors.New("the transfer was cut short and cannot be continued")
	ErrForbidden = errors.New("outside the folders that may be read")
)

// Config says what may be read, and how. What is 0 gets its default.
type Config struct {
	Roots    []string // folders that named files and folders must lie in; none: all are refused
	SpoolDir string   // folder of content that was handed in; empty: such sources are refused

	Delivered func(context.Context, fhirmsg.Delivered) io.ReadCloser // opens what was delivered over NATS; nil: such sources are refused

	HTTP        outbound.Config
	Policy      *outbound.Policy      // which URLs may be asked for; nil: all
	Credentials []outbound.Credential // for them
	Renewals    *Renewals             // of files' URLs, for one import; nil: each file reads its manifest by itself

	Account func() (s3.Account, error) // by which buckets are read; nil: none are
	Bucket  string                     // s3://bucket/prefix/ that objects must lie under, where there is a Policy

	// Whole says that a manifest must list all that there is, of these types or, if none is named, of all. Where its
	// export was asked for less, that is told among what was not taken.
	Whole bool
	Types []string

	Attempts int           // requests in a row that bring nothing new; 8
	MaxWait  time.Duration // between them, also when the server asks for more; 2 min
	ListTime time.Duration // for a manifest and those that follow it; 15 min

	Pace func(context.Context) error // is waited for before each request; nil: nothing is

	// Again is told why a request is made again, and after what wait; and with nil that it was answered then, or given up. nil:
	// nobody is told.
	Again func(ctx context.Context, why error, wait time.Duration)

	Sleep func(context.Context, time.Duration) error // nil: by the clock; ends with the context
	Now   func() time.Time                           // nil: the clock
}

// WithDefaults is the configuration with what is not set.
func (c Config) WithDefaults() Config {
	defaultTo(&c.Attempts, 8)
	defaultTo(&c.MaxWait, 2*time.Minute)
	defaultTo(&c.ListTime, 15*time.Minute)
	if c.Sleep == nil {
		c.Sleep = sleep
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// TimeToList is how long it may take to find out what files there are.
func (c Config) TimeToList() time.Duration { return c.WithDefaults().ListTime }

func defaultTo[T time.Duration | int](v *T, value T) {
	if *v <= 0 {
		*v = value
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// Reader reads one file's bytes. It is for one goroutine, and its errors stay.
type Reader struct {
	stream stream
	offset int64
	err    error
}

// stream is what differs between local files and HTTP, by which objects of buckets are read too.
type stream interface {
	io.ReadCloser
	validator() Validator
	check() error
}

// Open opens a file at its beginning. The context ends the reading too.
//
// Errors of Open and of reading: [ErrForbidden], [fs.ErrNotExist], [fs.ErrPermission],
// [StatusError], [ErrChanged], [ErrCut], the context's, and what network and disk report.
func Open(ctx context.Context, f File, cfg Config) (*Reader, error) {
	return open(ctx, f, cfg.WithDefaults(), nil, 0)
}

// OpenAt opens a file at an offset in bytes, provided that it is what v says, else [ErrChanged].
// It is [ErrCut] if that cannot be known and the offset is not 0. Else like [Open].
func OpenAt(ctx context.Context, f File, cfg Config, v Validator, offset int64) (*Reader, error) {
	return open(ctx, f, cfg.WithDefaults(), &v, offset)
}

func open(ctx context.Context, f File, cfg Config, want *Validator, offset int64) (*Reader, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var s stream
	var err error
	switch {
	case f.Locator.Pull != nil:
		err = errors.New("a pull is read page by page")
	case f.Locator.URL != "" || f.Locator.Object != nil:
		s, err = openHTTP(ctx, f.Locator, cfg, want, offset)
	case f.Locator.Delivered != nil:
		s, err = openDelivered(ctx, *f.Locator.Delivered, cfg, offset)
	default:
		s, err = openLocal(ctx, f.Locator, cfg, want, offset)
	}
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	return &Reader{stream: s, offset: offset}, nil
}

// Read is an [io.Reader]. It is io.EOF only when the whole content was read and is unchanged.
func (r *Reader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.stream.Read(p)
	r.offset += int64(n)
	if err != nil && err != io.EOF { //nolint:errorlint // a reader's end is io.EOF itself
		err = fmt.Errorf("read: %w", err)
	}
	r.err = err
	return n, err
}

// Validator is what tells whether the file is the same when it is opened again.
func (r *Reader) Validator() Validator { return r.stream.validator() }

// Offset is where the next byte read is in the file, in bytes.
func (r *Reader) Offset() int64 { return r.offset }

// Check returns [ErrChanged] if a local file is no longer what it was when it was opened. Of
// a URL nothing more is known than reading it told. Reading to the end checks too.
func (r *Reader) Check() error { return r.stream.check() }

// Close ends the reading.
func (r *Reader) Close() error { return r.stream.Close() }
