package journal

import (
	"context"
	"errors"
	"testing"

	"github.com/stoker-fhir/stoker/pkg/bus"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledgertest"
)

// TestTrimmedMeanwhile: what is trimmed after it was found to be there, and before it is read, is missed, unless it is done without.
func TestTrimmedMeanwhile(t *testing.T) {
	t.Parallel()
	j := Journal{Bus: ledgertest.NewServers(t).Bus}
	ctx := t.Context()
	subject := fhirmsg.StatementSubject("a")
	for _, id := range []string{"1", "2", "3"} {
		check(t, j.Bus.Publish(ctx, subject, id, []byte("x")))
	}
	read := func(available bool) (n int, err error) {
		err = j.read(ctx, fhirmsg.StreamStatements, reach{map[string]uint64{fhirmsg.StreamStatements: 1}, available},
			func(context.Context, bus.Message) error { n++; return nil })
		return n, err
	}
	if n, err := read(false); n != 3 || err != nil {
		t.Errorf("read %d of 3, %v", n, err)
	}
	check(t, j.Bus.PurgeBelow(ctx, fhirmsg.StreamStatements, subject, 2))
	if n, err := read(false); n != 2 || !errors.Is(err, ErrReach) {
		t.Errorf("read %d of the 2 that are left, and got %v; want %v", n, err, ErrReach)
	}
	if n, err := read(true); n != 2 || err != nil {
		t.Errorf("read %d of the 2 that are left, and got %v; want nothing", n, err)
	}
}
