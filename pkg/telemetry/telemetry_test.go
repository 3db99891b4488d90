package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/stoker-fhir/stoker/pkg/telemetry"
)

func TestNewLogger(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	log, err := telemetry.NewLogger(&b, "warn", telemetry.FormatJSON, "parser")
	if err != nil {
		t.Fatal(err)
	}
	log.Info().Msg("not to be seen")
	log.Warn().Err(errors.New("no answer")).Int(telemetry.FieldAttempt, 2).Msg("trying again")
	var got map[string]any
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatalf("log %q: %v", b.String(), err)
	}
	delete(got, "time")
	want := map[string]any{
		"level": "warn", "message": "trying again",
		telemetry.FieldService: "parser", telemetry.FieldError: "no answer", telemetry.FieldAttempt: 2.0,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("line (-want +got):\n%s", diff)
	}
}

func TestNewLoggerForPeople(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	log, err := telemetry.NewLogger(&b, "debug", telemetry.FormatConsole, "writer")
	if err != nil {
		t.Fatal(err)
	}
	log.Debug().Msg("ready")
	if got := b.String(); !strings.Contains(got, "DBG ready service=writer") || strings.Contains(got, "\x1b") {
		t.Errorf("line %q, want plain text", got)
	}
}

func TestNewLoggerRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ level, format string }{{"loud", "json"}, {"", "json"}, {"info", "xml"}, {"info", ""}} {
		if _, err := telemetry.NewLogger(io.Discard, tt.level, tt.format, "x"); err == nil {
			t.Errorf("NewLogger(%q, %q): want an error", tt.level, tt.format)
		}
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	registry := telemetry.NewRegistry()
	parser := newMetrics(t, registry, "parser")
	again := newMetrics(t, registry, "parser") // as by a second parser in the process
	writer := newMetrics(t, registry, "writer")

	parser.Resources("Patient", "plain", 3)
	again.Resources("Patient", "plain", 2)
	writer.Resources("Patient", "inserted", 5)
	parser.Unit(20*time.Millisecond, 5, 700)
	parser.Rejects(1)
	writer.Retry()
	writer.Backlog("stoker.resource.*.Patient", 7)
	writer.Missing(4)
	writer.SyncLags(map[string]float64{"nightly": 7, "gone": 1})
	writer.SyncLags(map[string]float64{"nightly": 8.5})

	text := scrape(t, telemetry.Handler(registry, func(context.Context) error { return nil }))
	for _, want := range []string{
		`stoker_resources_total{outcome="plain",stage="parser",type="Patient"} 5`,
		`stoker_resources_total{outcome="inserted",stage="writer",type="Patient"} 5`,
		`stoker_bytes_total{stage="parser"} 700`,
		`stoker_bytes_total{stage="writer"} 0`,
		`stoker_unit_seconds_count{stage="parser"} 1`,
		`stoker_unit_resources_bucket{stage="parser",le="16"} 1`,
		`stoker_rejects_total{stage="parser"} 1`,
		`stoker_retries_total{stage="writer"} 1`,
		`stoker_backlog_messages{stage="writer",subject="stoker.resource.*.Patient"} 7`,
		`stoker_missing{stage="writer"} 4`,
		`stoker_sync_lag_seconds{stage="writer",sync="nightly"} 8.5`,
		`go_goroutines `,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("metrics lack %q", want)
		}
	}
	if strings.Contains(text, `sync="gone"`) {
		t.Error("metrics have a sync that is not there any more")
	}
	if t.Failed() {
		t.Log(text)
	}
}

func TestMetricsWithoutRegistry(t *testing.T) {
	t.Parallel()
	var m *telemetry.Metrics
	m.Resources("Patient", "inserted", 1)
	m.Unit(time.Second, 1, 1)
	m.Retry()
	m.Rejects(1)
	m.Backlog("x", 1)
	m.Missing(1)
	m.SyncLags(map[string]float64{"x": 1})
}

func TestNewMetricsReportsAConflict(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	if err := registry.Register(prometheus.NewCounter(prometheus.CounterOpts{Name: "stoker_retries_total", Help: "Other."})); err != nil {
		t.Fatal(err)
	}
	if _, err := telemetry.NewMetrics(registry, "parser"); err == nil || !strings.Contains(err.Error(), "stoker_retries_total") {
		t.Errorf("NewMetrics: %v, want an error that names the metric", err)
	}
}

// The instruments and the definitions are two lists. This holds them together.
func TestEveryDefinitionIsAnInstrument(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	m := newMetrics(t, registry, "writer")
	m.Resources("Patient", "inserted", 1)
	m.Unit(time.Second, 1, 1)
	m.Backlog("x", 1)
	m.Missing(1)
	m.SyncLags(map[string]float64{"x": 1})
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, f := range families {
		got[f.GetName()] = strings.ToLower(f.GetType().String()) + ": " + f.GetHelp()
	}
	want := map[string]string{}
	for _, d := range telemetry.Definitions() {
		want[d.Name] = string(d.Kind) + ": " + d.Help
		if !strings.HasPrefix(d.Name, "stoker_") {
			t.Errorf("%s: want the prefix stoker_", d.Name)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("metrics (-defined +registered):\n%s", diff)
	}
}

func TestDocumentIsUpToDate(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	if err := telemetry.Markdown(&table, telemetry.Definitions()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(document), table.String()) {
		t.Error(`docs/metrics.md is not what the definitions say: run "make generate"`)
	}
}

func TestHandler(t *testing.T) {
	t.Parallel()
	tests := []struct {
		path     string
		ready    error
		wantCode int
		wantText string
	}{
		{"/healthz", errors.New("no queue"), 200, "alive\n"},
		{"/readyz", nil, 200, "ready\n"},
		{"/readyz", errors.Join(errors.New("NATS: not connected"), errors.New("PostgreSQL: refused")), 503,
			"NATS: not connected\nPostgreSQL: refused\n"},
		{"/nothing", nil, 404, "404 page not found\n"},
	}
	for _, tt := range tests {
		handler := telemetry.Handler(prometheus.NewRegistry(), func(ctx context.Context) error {
			if _, ok := ctx.Deadline(); !ok {
				t.Error("ready has no deadline")
			}
			return tt.ready
		})
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, tt.path, nil))
		if recorder.Code != tt.wantCode || recorder.Body.String() != tt.wantText {
			t.Errorf("GET %s: %d %q, want %d %q", tt.path, recorder.Code, recorder.Body, tt.wantCode, tt.wantText)
		}
	}
}

func TestServeStopsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	inHand, served := make(chan struct{}), make(chan error, 1)
	go func() {
		served <- telemetry.Serve(ctx, listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/slow" {
				close(inHand)
				<-ctx.Done() // answers only after the server was told to stop
			}
			w.WriteHeader(http.StatusOK)
		}))
	}()
	if err := telemetry.CheckAlive(ctx, address); err != nil {
		t.Fatalf("CheckAlive: %v", err)
	}
	slow := make(chan error, 1)
	go func() {
		resp, err := http.Get("http://" + address + "/slow")
		if err == nil {
			err = resp.Body.Close()
		}
		slow <- err
	}()
	<-inHand
	cancel()
	if err := <-slow; err != nil {
		t.Errorf("the request in hand was cut: %v", err)
	}
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if err := telemetry.CheckAlive(t.Context(), address); err == nil {
		t.Error("CheckAlive: want an error after the server stopped")
	}
}

func TestServer(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	address := make(chan string, 1)
	log := zerolog.New(writerFunc(func(line []byte) (int, error) {
		var fields map[string]string
		if err := json.Unmarshal(line, &fields); err != nil {
			t.Errorf("log line %q: %v", line, err)
		}
		address <- fields[telemetry.FieldAddress]
		return len(line), nil
	}))
	served := make(chan error, 1)
	go func() {
		served <- telemetry.Server(ctx, "127.0.0.1:0", telemetry.NewRegistry(), func(context.Context) error { return nil }, log)
	}()
	select {
	case a := <-address:
		if err := telemetry.CheckAlive(ctx, a); err != nil {
			t.Errorf("CheckAlive: %v", err)
		}
		_, port, err := net.SplitHostPort(a)
		if err != nil {
			t.Fatal(err)
		}
		if err := telemetry.CheckAlive(ctx, "0.0.0.0:"+port); err != nil {
			t.Errorf("CheckAlive on all interfaces: %v", err)
		}
		err = telemetry.Server(ctx, a, telemetry.NewRegistry(), func(context.Context) error { return nil }, zerolog.Nop())
		if err == nil {
			t.Error("Server on an address that is taken: want an error")
		}
	case err := <-served:
		t.Fatalf("Server: %v", err)
	}
	cancel()
	if err := <-served; err != nil {
		t.Errorf("Server: %v", err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func newMetrics(t *testing.T, registry *prometheus.Registry, stage string) *telemetry.Metrics {
	t.Helper()
	m, err := telemetry.NewMetrics(registry, stage)
	if err != nil {
		t.Fatalf("NewMetrics: %v", err)
	}
	return m
}

func scrape(t *testing.T, handler http.Handler) string {
	t.Helper()
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if recorder.Code != http.StatusOK {
		t.Fatalf("GET /metrics: %d", recorder.Code)
	}
	return recorder.Body.String()
}
