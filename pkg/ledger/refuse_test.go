package ledger

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

func TestRefuse(t *testing.T) {
	t.Parallel()
	inner := errors.New("inner")
	err := fmt.Errorf("run sync a: %w", refuse(ErrSyncState, "import %s: %w", fhirmsg.ImportID{}, inner))
	if !errors.Is(err, ErrSyncState) || !errors.Is(err, inner) || errors.Is(err, ErrSync) {
		t.Errorf("%v is not what it wraps", err)
	}
	if want := "run sync a: import 00000000-0000-0000-0000-000000000000: inner"; err.Error() != want {
		t.Errorf("%q, want %q", err, want)
	}
}
