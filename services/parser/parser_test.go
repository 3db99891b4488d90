package parser_test

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/stoker-fhir/stoker/pkg/bus"
	"github.com/stoker-fhir/stoker/pkg/fhirdef"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/natstest"
	"github.com/stoker-fhir/stoker/pkg/telemetry"
	"github.com/stoker-fhir/stoker/services/parser"
	"github.com/stoker-fhir/stoker/services/parser/internal/convert"
)

// TestUnsupported: a chunk whose import pins later rules comes again and again, and the only worker serves others meanwhile.
func TestUnsupported(t *testing.T) {
	t.Parallel()
	nc, err := natstest.New(t).Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	b, err := bus.New(nc, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	if err := b.Apply(ctx, fhirdef.ResourceTypes(fhirmsg.FHIRVersionR4), nil); err != nil {
		t.Fatal(err)
	}
	publish := func(supplier string, rules int) {
		t.Helper()
		const body = `{"resourceType":"Patient","id":"a"}`
		chunk := fhirmsg.Chunk{ChunkHeader: fhirmsg.ChunkHeader{
			Import: fhirmsg.Import{
				Supplier: supplier, Dataset: "fhir", Mode: fhirmsg.ModeOverwrite, Issued: 1, Rules: rules,
				FHIRVersion: fhirmsg.FHIRVersionR4, Validation: fhirmsg.ValidationOff,
			},
			Place: fhirmsg.Place{Length: int64(len(body))}, FirstLine: 1, Lines: 1,
		}, Body: []byte(body)}
		msg, id, err := chunk.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Publish(ctx, fhirmsg.ChunkSubject(supplier), id, msg); err != nil {
			t.Fatal(err)
		}
	}
	until := func(what string, is func() bool) {
		t.Helper()
		ticker := time.NewTicker(20 * time.Millisecond)
		defer ticker.Stop()
		for !is() {
			select {
			case <-ctx.Done():
				t.Fatalf("%s: not in time", what)
			case <-ticker.C:
			}
		}
	}
	given := func(supplier string) uint64 { // so often chunks of a supplier were given out
		c := fhirmsg.SupplierConsumer(supplier)
		consumer, err := js.Consumer(ctx, c.Stream, c.Name)
		if err != nil {
			return 0
		}
		return consumer.CachedInfo().Delivered.Consumer
	}
	publish("a", convert.Rules+1)
	metrics, err := telemetry.NewMetrics(telemetry.NewRegistry(), "parser")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		done <- parser.Run(ctx, parser.Config{Workers: 1, TypeShare: 50}, parser.Deps{
			Bus: b, Log: zerolog.Nop(), Metrics: metrics,
		})
	}()
	until("the chunk of a has the worker", func() bool { return given("a") > 0 })
	publish("b", convert.Rules)
	until("the chunk of b is parsed", func() bool {
		n, err := b.CountFrom(ctx, fhirmsg.StreamStatements, fhirmsg.StatementSubject("b"), 1)
		return err == nil && n == 1
	})
	until("the chunk of a comes again", func() bool { return given("a") > 1 })
	if waiting, err := b.Subjects(ctx, fhirmsg.StreamChunks, fhirmsg.ChunkSubject("a")); err != nil || waiting[fhirmsg.ChunkSubject("a")] != 1 {
		t.Errorf("chunks wait: %v, %v; want 1 of a", waiting, err)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
