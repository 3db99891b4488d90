package bench

import (
	"context"
	"strings"
	"time"

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
	{"binary", (*bench).emptyCeiling, (*bench).binary},
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
