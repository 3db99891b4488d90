package delivery

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/stoker-fhir/stoker/pkg/bus"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/ledgertest"
)

// quick are settings by which nothing waits long.
var quick = Config{StreamBytes: 64 << 20, ImportBytes: 1 << 20, ImportTime: 50 * time.Millisecond, Idle: time.Hour}

// fixture is a queue and a ledger, and what was asked for.
type fixture struct {
	t      *testing.T
	js     jetstream.JetStream
	bus    *bus.Bus
	ledger *ledger.Ledger

	mu    sync.Mutex
	asked []fhirmsg.ImportRequest
	times map[fhirmsg.ImportID]int
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	servers := ledgertest.NewServers(t)
	js, err := jetstream.New(servers.NATS)
	check(t, err)
	return &fixture{t: t, js: js, bus: servers.Bus, ledger: ledger.New(servers.Pool), times: map[fhirmsg.ImportID]int{}}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// publish is a message of a supplier; headers are names and values.
func (f *fixture) publish(supplier, payload string, headers ...string) uint64 {
	f.t.Helper()
	msg := &nats.Msg{Subject: fhirmsg.DeliverSubject(supplier), Data: []byte(payload), Header: nats.Header{}}
	for i := 0; i < len(headers); i += 2 {
		msg.Header.Set(headers[i], headers[i+1])
	}
	ack, err := f.js.PublishMsg(f.t.Context(), msg)
	check(f.t, err)
	return ack.Sequence
}

// request accepts imports.
func (f *fixture) request(ctx context.Context, req fhirmsg.ImportRequest) error {
	f.note(req)
	_, _, err := f.ledger.Accept(ctx, req, 1, "")
	return errors.Join(err, req.CheckOpen())
}

func (f *fixture) note(req fhirmsg.ImportRequest) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.times[req.ID]++; f.times[req.ID] == 1 {
		f.asked = append(f.asked, req)
	}
}

func (f *fixture) requests() []fhirmsg.ImportRequest {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]fhirmsg.ImportRequest(nil), f.asked...)
}

// gather runs a gatherer until stop.
func (f *fixture) gather(cfg Config, request func(context.Context, fhirmsg.ImportRequest) error) (stop func()) {
	ctx, cancel := context.WithCancel(f.t.Context())
	g := Gatherer{Config: cfg, Bus: f.bus, Ledger: f.ledger, Log: zerolog.Nop(), Request: request}
	var wg sync.WaitGroup
	wg.Go(func() { _ = g.Run(ctx) })
	stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
	f.t.Cleanup(stop)
	return stop
}

func (f *fixture) until(what string, ok func() bool) {
	f.t.Helper()
	end := time.Now().Add(30 * time.Second)
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for !ok() {
		if time.Now().After(end) {
			f.t.Fatalf("waited in vain for %s; asked for %+v", what, f.requests())
		}
		<-ticker.C
	}
}

func (f *fixture) content(d fhirmsg.Delivered) (string, error) {
	r := Open(f.t.Context(), f.bus, d)
	defer r.Close() //nolint:errcheck // read from
	b, err := io.ReadAll(r)
	return string(b), err
}

// contents are those of all that was asked for.
func (f *fixture) contents() (list []string) {
	for _, req := range f.requests() {
		content, err := f.content(*req.Sources[0].Delivered)
		if err != nil {
			content = err.Error()
		}
		list = append(list, req.Supplier+" "+req.Sources[0].Delivered.Name+": "+content)
	}
	return list
}

// TestGather: what is one delivery is one import, whatever comes between.
func TestGather(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.gather(quick, f.request)
	f.publish("a", "1\n", fhirmsg.HeaderDelivery, "x")
	f.publish("b", "other\n")
	f.publish("a", "2", fhirmsg.HeaderDelivery, "y")
	f.publish("a", "3\n4\n", fhirmsg.HeaderDelivery, "x")
	f.publish("a", "5", fhirmsg.HeaderDelivery, "y", fhirmsg.HeaderEnd, "1")
	f.publish("a", "", fhirmsg.HeaderDelivery, "x", fhirmsg.HeaderEnd, "1")
	f.publish("a", "", fhirmsg.HeaderDelivery, "x", fhirmsg.HeaderEnd, "1") // of nothing
	f.until("three imports", func() bool { return len(f.requests()) == 3 })
	got := strings.Join(f.contents(), "|")
	for _, want := range []string{"b : other\n", "a x: 1\n3\n4\n", "a y: 2\n5\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no import of %q in %q", want, got)
		}
	}
	if backlog, err := f.bus.Subjects(t.Context(), fhirmsg.StreamDeliver, fhirmsg.DeliverSubject("*")); err != nil || backlog[fhirmsg.DeliverSubject("a")] == 0 {
		t.Errorf("left of a before it was fetched: %v, %v", backlog, err)
	}
}

// TestGatherGoesOn: a delivery that is complete is asked for while others go on publishing.
func TestGatherGoesOn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.gather(quick, f.request)
	f.publish("a", "1\n", fhirmsg.HeaderDelivery, "x", fhirmsg.HeaderEnd, "1")
	var last time.Time
	f.until("the import of a", func() bool {
		if time.Since(last) > wait/5 {
			f.publish("b", "{}\n", fhirmsg.HeaderDelivery, "endless")
			last = time.Now()
		}
		return slices.ContainsFunc(f.requests(), func(r fhirmsg.ImportRequest) bool { return r.Supplier == "a" })
	})
}

// TestParts: a delivery with more than an import may have is several, and nothing of it is lost or twice.
func TestParts(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	cfg := quick
	cfg.ImportBytes = 100
	f.gather(cfg, f.request)
	var want strings.Builder
	for i := range 50 {
		line := fmt.Sprintf("line %02d\n", i)
		want.WriteString(line)
		f.publish("a", line, fhirmsg.HeaderDelivery, "x")
	}
	f.publish("a", "", fhirmsg.HeaderDelivery, "x", fhirmsg.HeaderEnd, "")
	var got string
	f.until("all imports", func() bool {
		got = strings.ReplaceAll(strings.Join(f.contents(), ""), "a x: ", "")
		return len(got) >= want.Len()
	})
	if got != want.String() || len(f.requests()) < 3 {
		t.Errorf("%d imports of %q", len(f.requests()), got)
	}
}

// TestGathererKilled: whenever a gatherer is stopped, and whoever goes on, each message is in one import.
func TestGathererKilled(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	cfg := quick
	cfg.ImportBytes = 60
	failing := errors.New("the queue is away")
	n := 0
	for round := range 8 {
		stop := f.gather(cfg, func(ctx context.Context, req fhirmsg.ImportRequest) error {
			if n++; n%3 == 0 {
				return failing
			}
			return f.request(ctx, req)
		})
		for i := range 10 {
			f.publish("a", fmt.Sprintf("%d-%d", round, i), fhirmsg.HeaderDelivery, "x")
		}
		stop()
	}
	f.gather(cfg, f.request)
	f.gather(cfg, f.request) // stands by
	f.publish("a", "", fhirmsg.HeaderDelivery, "x", fhirmsg.HeaderEnd, "1")
	lines := map[string]int{}
	f.until("all lines", func() bool {
		clear(lines)
		for _, c := range f.contents() {
			for line := range strings.Lines(strings.TrimPrefix(c, "a x: ")) {
				lines[line]++
			}
		}
		return len(lines) >= 80
	})
	for line, n := range lines {
		if n != 1 {
			t.Errorf("%q is in %d imports", line, n)
		}
	}
}

// TestPurged: messages go once their import was fetched, or was refused, and others stay.
func TestPurged(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.gather(quick, func(ctx context.Context, req fhirmsg.ImportRequest) error {
		if req.Sources[0].Delivered.Name == "y" {
			return f.request(ctx, req)
		}
		f.note(req)
		_, err := f.ledger.Refuse(ctx, req, 1, "no")
		return err
	})
	f.publish("a", "1", fhirmsg.HeaderDelivery, "x", fhirmsg.HeaderEnd, "1")
	f.publish("a", "2", fhirmsg.HeaderDelivery, "y", fhirmsg.HeaderEnd, "1")
	f.publish("a", "3", fhirmsg.HeaderDelivery, "open")
	f.publish("a", "4", fhirmsg.HeaderDelivery, "z", fhirmsg.HeaderEnd, "1")
	f.until("three imports", func() bool { return len(f.requests()) == 3 })
	left := func() uint64 {
		subjects, err := f.bus.Subjects(t.Context(), fhirmsg.StreamDeliver, fhirmsg.DeliverSubject("*"))
		check(t, err)
		return subjects[fhirmsg.DeliverSubject("a")]
	}
	f.until("the first to go", func() bool { return left() == 3 })
	if _, err := f.content(*f.requests()[0].Sources[0].Delivered); !errors.Is(err, ErrGone) {
		t.Errorf("reading what was purged: %v", err)
	}
	if got, err := f.content(*f.requests()[1].Sources[0].Delivered); err != nil || got != "2\n" {
		t.Errorf("reading what was not: %q, %v", got, err)
	}
}

func packed(t *testing.T, with string, content string) string {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser = gzip.NewWriter(&b)
	if with == "zstd" {
		var err error
		w, err = zstd.NewWriter(&b)
		check(t, err)
	}
	_, err := io.WriteString(w, content)
	check(t, errors.Join(err, w.Close()))
	return b.String()
}

// TestLines: what becomes of a message.
func TestLines(t *testing.T) {
	t.Parallel()
	pretty := "{\n  \"resourceType\": \"Patient\",\n  \"id\": \"1 \\n\"\n}\n"
	cut := packed(t, "gzip", strings.Repeat("{\"a\":1}\n", 1000))
	cut = cut[:len(cut)-6]
	tests := []struct {
		name, encoding, payload, want string
		problem                       string
	}{
		{"lines", "", "{}\n{}\n", "{}\n{}\n", ""},
		{"without an end", "", "{}\n{}", "{}\n{}\n", ""},
		{"nothing", "", "", "", ""},
		{"a resource over several lines", "", pretty, "{\"resourceType\":\"Patient\",\"id\":\"1 \\n\"}\n", ""},
		{"with a byte order mark", "", "\xef\xbb\xbf" + pretty, "{\"resourceType\":\"Patient\",\"id\":\"1 \\n\"}\n", ""},
		{"gzip", "gzip", packed(t, "gzip", "{}\n{}"), "{}\n{}\n", ""},
		{"zstd that nobody announced", "", packed(t, "zstd", pretty), "{\"resourceType\":\"Patient\",\"id\":\"1 \\n\"}\n", ""},
		{"announced, and not packed", "gzip", "{}", "{}\n", ""},
		{"broken JSON over several lines", "", "{\n \"a\": [\n1,\n2,\n}", "{  \"a\": [ 1, 2, }\n", ""},
		{"an encoding that is not known", "br", "\x8b\x00", "", "Content-Encoding"},
		{"cut short", "gzip", cut, "", "cut short"},
		{"damaged", "gzip", "\x1f\x8b\x08garbage", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			msg := &bus.Delivered{Head: bus.Head{Subject: "stoker.deliver.a", Sequence: 7, Header: nats.Header{}}, Data: []byte(tt.payload)}
			if tt.encoding != "" {
				msg.Header.Set("Content-Encoding", tt.encoding)
			}
			var b bytes.Buffer
			check(t, writeLines(&b, msg))
			got := b.String()
			if tt.want == "" && tt.payload != "" {
				lines := strings.Split(strings.TrimSuffix(got, "\n"), "\n")
				last := lines[len(lines)-1]
				if !strings.HasPrefix(last, "message 7 on stoker.deliver.a: ") || !strings.Contains(last, tt.problem) ||
					!strings.HasSuffix(last, base64.StdEncoding.EncodeToString([]byte(tt.payload))) {
					t.Errorf("got %q", last)
				}
				return
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestMakeRoom: a supplier that opens more deliveries than it may gets its oldest closed, and another one is in
// peace.
func TestMakeRoom(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	h := newHeap(quick, now, nil, func() time.Time { now = now.Add(time.Microsecond); return now })
	h.put("b", "own", 1, 1, false)
	for i := range 10 * maxOpen {
		h.put("a", fmt.Sprint(i), uint64(i+2), 1, false)
	}
	if len(h.open) != maxOpen+1 || h.open[key{"b", "own"}] == nil {
		t.Errorf("%d are open", len(h.open))
	}
	if due := h.due(); len(due) != 1 || due[0].Name != "0" {
		t.Errorf("%d are due", len(due))
	}
}

func FuzzWriteLines(f *testing.F) {
	for _, seed := range []string{"", "{}", "{}\n{}", "{\n}", "\x1f\x8b\x08", "\x28\xb5\x2f\xfd\x00", "[1,\n2,\n3]", "\xff\xfe{\n"} {
		f.Add([]byte(seed), "gzip")
	}
	f.Fuzz(func(t *testing.T, payload []byte, encoding string) {
		msg := &bus.Delivered{Head: bus.Head{Header: nats.Header{"Content-Encoding": {encoding}}}, Data: payload}
		var first, second bytes.Buffer
		if err := errors.Join(writeLines(&first, msg), writeLines(&second, msg)); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first.Bytes(), second.Bytes()) {
			t.Fatal("two readings differ")
		}
		if n := first.Len(); n > 0 && first.Bytes()[n-1] != '\n' {
			t.Fatal("the last line has no end")
		}
	})
}
