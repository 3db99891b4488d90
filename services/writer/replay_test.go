package writer

import (
	"crypto/rand"
	"slices"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/ledgertest"
)

// TestFollowReplays: the consumers of a replay that ended go, also where another one began at the same time; one whose preparation was cut off
// fails in minutes.
func TestFollowReplays(t *testing.T) {
	t.Parallel()
	servers := ledgertest.NewServers(t)
	w := &writer{deps: Deps{Bus: servers.Bus, Pool: servers.Pool, Log: zerolog.Nop()}, ledger: ledger.New(servers.Pool)}
	ctx := t.Context()
	if _, err := servers.Pool.Exec(ctx, `INSERT INTO stoker.dataset (name, mode, fhir_version) VALUES ('fhir', 'overwrite', '4.0.1')`); err != nil {
		t.Fatal(err)
	}
	begin := func() ledger.Replay {
		t.Helper()
		id, err := fhirmsg.NewImportID(time.Now(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		r := ledger.Replay{
			ID: id, Dataset: "fhir", Into: "fhir", First: 1, Last: 1,
			Types: []ledger.ReplayType{{Type: "Patient", First: 1, Last: 1, Messages: 1}},
		}
		if err := w.ledger.PrepareReplay(ctx, r); err != nil {
			t.Fatal(err)
		}
		return r
	}
	open := map[fhirmsg.ImportID]bool{}
	follow := func(want ...string) {
		t.Helper()
		var err error
		if open, err = w.followReplays(ctx, nil, open); err != nil {
			t.Fatal(err)
		}
		if got, err := servers.Bus.ReplayConsumers(ctx); err != nil || !slices.Equal(got, want) {
			t.Errorf("consumers %v, %v; want %v", got, err, want)
		}
	}
	first := begin()
	if err := w.ledger.StartReplay(ctx, first); err != nil {
		t.Fatal(err)
	}
	follow(fhirmsg.ReplayConsumer(first.ID, "Patient")) // it ends, since the stream has nothing
	second := begin()
	follow()
	// A preparation takes two minutes at most.
	if _, err := servers.Pool.Exec(ctx, `UPDATE stoker.replay SET created = created - interval '4 minutes' WHERE id = $1`, [16]byte(second.ID)); err != nil {
		t.Fatal(err)
	}
	follow()
	if got, err := w.ledger.Replay(ctx, second.ID); err != nil || got.State != ledger.ReplayFailed {
		t.Errorf("a preparation whose process was killed is %s, %v", got.State, err)
	}
}
