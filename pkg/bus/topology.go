package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// Limits are sizes of streams in bytes by name, for the service that owns the setting. A
// stream that is not named keeps the size it has, or gets the contract's default.
type Limits map[string]int64

// Apply makes the streams and consumers that are missing and gives the streams that exist
// the sizes in limits. Any service may call it at any time, in any order.
func (b *Bus) Apply(ctx context.Context, resourceTypes []string, limits Limits) error {
	for _, s := range fhirmsg.Streams() {
		if err := b.applyStream(ctx, s, limits); err != nil {
			return fmt.Errorf("stream %s: %w", s.Name, err)
		}
	}
	if err := b.applyLarge(ctx); err != nil {
		return fmt.Errorf("object store %s: %w", largeBucket, err)
	}
	existing, err := b.consumerConfigs(ctx)
	if err != nil {
		return err
	}
	for _, c := range fhirmsg.Consumers(resourceTypes) {
		want := consumerConfig(c)
		if has, ok := existing[c.Stream+" "+c.Name]; ok && has.FilterSubject == want.FilterSubject && has.MaxAckPending == want.MaxAckPending {
			continue
		}
		if _, err := b.js.CreateOrUpdateConsumer(ctx, c.Stream, want); err != nil {
			return fmt.Errorf("consumer %s: %w", c.Name, err)
		}
	}
	return nil
}

func (b *Bus) applyStream(ctx context.Context, s fhirmsg.Stream, limits Limits) error {
	limit, named := limits[s.Name]
	existing, err := b.js.Stream(ctx, s.Name)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound) && !named:
		// Made, not updated: who has the setting may be making it at this moment.
		_, err = b.js.CreateStream(ctx, streamConfig(s, s.MaxBytes))
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			return nil
		}
		return err
	case errors.Is(err, jetstream.ErrStreamNotFound):
	case err != nil:
		return err
	case !named:
		limit = existing.CachedInfo().Config.MaxBytes
	}
	if existing != nil {
		cfg := existing.CachedInfo().Config // retention never changes, and replicas are the operator's
		cfg.MaxBytes, cfg.Subjects = limit, s.Subjects
		cfg.AllowDirect = false // what is asked for must come from the leader, who has all that was acknowledged
		// The server would remove what is beyond: a stream of an older version is limited once it has little.
		if s.MaxPerSubject > 0 && existing.CachedInfo().State.Msgs < uint64(s.MaxPerSubject/2) {
			cfg.MaxMsgsPerSubject, cfg.DiscardNewPerSubject = s.MaxPerSubject, true
		}
		if has := existing.CachedInfo().Config; has.MaxBytes == limit && has.MaxMsgsPerSubject == cfg.MaxMsgsPerSubject && slices.Equal(has.Subjects, s.Subjects) &&
			!has.AllowDirect {
			return nil
		}
		_, err = b.js.UpdateStream(ctx, cfg)
		return err
	}
	cfg := streamConfig(s, limit)
	_, err = b.js.CreateOrUpdateStream(ctx, cfg)
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another one made it meanwhile
		_, err = b.js.UpdateStream(ctx, cfg)
	}
	return err
}

func (b *Bus) applyLarge(ctx context.Context) error {
	_, err := b.js.ObjectStore(ctx, largeBucket)
	if !errors.Is(err, jetstream.ErrBucketNotFound) {
		return err
	}
	_, err = b.js.CreateOrUpdateObjectStore(ctx, jetstream.ObjectStoreConfig{
		Bucket: largeBucket, Description: "payloads too large for a message",
	})
	return err
}

func streamConfig(s fhirmsg.Stream, maxBytes int64) jetstream.StreamConfig {
	retention := jetstream.LimitsPolicy
	if s.Queue {
		retention = jetstream.WorkQueuePolicy
	}
	return jetstream.StreamConfig{
		Name:      s.Name,
		Subjects:  s.Subjects,
		Retention: retention,
		Discard:   jetstream.DiscardNew, // Invariant 4: a full queue refuses, it never drops.
		MaxBytes:  maxBytes,
		Storage:   jetstream.FileStorage,

		MaxMsgsPerSubject:    s.MaxPerSubject,
		DiscardNewPerSubject: s.MaxPerSubject > 0,
	}
}

func consumerConfig(c fhirmsg.Consumer) jetstream.ConsumerConfig {
	pending := 4096
	if c.Stream == fhirmsg.StreamFetch || c.Stream == fhirmsg.StreamOperator {
		pending = -1 // requests are handed back until their time comes, and are to be in nobody's way
	}
	return jetstream.ConsumerConfig{
		Durable:       c.Name,
		FilterSubject: c.Filter,
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       c.AckWait,
		MaxDeliver:    -1, // Invariant 5: only data errors give a message up.
		MaxAckPending: pending,

		InactiveThreshold: c.Inactive,
	}
}

// consumerConfigs lists what exists, by stream and name, with one call per stream, since creating well over a
// hundred consumers that exist already would make every start slow.
func (b *Bus) consumerConfigs(ctx context.Context) (map[string]jetstream.ConsumerConfig, error) {
	configs := map[string]jetstream.ConsumerConfig{}
	for _, s := range fhirmsg.Streams() {
		stream, err := b.js.Stream(ctx, s.Name)
		if err != nil {
			return nil, fmt.Errorf("stream %s: %w", s.Name, err)
		}
		list := stream.ListConsumers(ctx)
		for info := range list.Info() {
			configs[s.Name+" "+info.Name] = info.Config
		}
		if err := list.Err(); err != nil && !errors.Is(err, jetstream.ErrEndOfData) {
			return nil, fmt.Errorf("consumers of %s: %w", s.Name, err)
		}
	}
	return configs, nil
}
