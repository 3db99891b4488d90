package fetcher

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/supplier"
)

// allowance holds an import to the bytes and lines that its supplier's policy allows. What is over
// is not published, so its file fails, and so do the files behind it; what was published before is
// stored.
type allowance struct {
	supplier           string
	maxBytes, maxLines int64 // 0: no limit

	bytes, lines         int64 // of the files that are at their end, and for the limits
	fileBytes, fileLines int64 // of the file in hand
	over                 error // it has more than it may
}

// tooMuch is how errors begin that say that an import has more than it may.
const tooMuch = "the import has more than the "

// newAllowance is what is left of an import's allowance, wherever an earlier fetcher got to.
func (f *fetcher) newAllowance(ctx context.Context, imp fhirmsg.Import, policy *supplier.Policy, files []ledger.File) (a *allowance, err error) {
	a = &allowance{supplier: imp.Supplier}
	if policy == nil || imp.IsRetry() { // a retry was counted the first time
		return a, nil
	}
	if a.maxBytes, a.maxLines = policy.MaxBytes, policy.MaxLines; a.maxBytes == 0 && a.maxLines == 0 {
		return a, nil
	}
	for _, file := range files {
		if file.State == "failed" && strings.HasPrefix(file.Reason, tooMuch) {
			a.over = errors.New(file.Reason)
		}
	}
	a.bytes, a.lines, err = f.ledger.FetchedOf(ctx, imp.ID)
	return a, err
}

// isLimited reports whether there is a limit at all.
func (a *allowance) isLimited() bool { return a.maxBytes > 0 || a.maxLines > 0 }

// begin begins a file. The error says that the files before had too much already.
func (a *allowance) begin() error {
	a.bytes, a.lines = a.bytes+a.fileBytes, a.lines+a.fileLines
	a.fileBytes, a.fileLines = 0, 0
	return a.over
}

// reach says that the file in hand has so many bytes and lines, at least. The error says that this is
// more than there may be.
func (a *allowance) reach(bytes, lines int64) error {
	switch {
	case a.maxBytes > 0 && a.bytes+bytes > a.maxBytes:
		a.over = fmt.Errorf(tooMuch+"%d bytes that the policy of supplier %s allows", a.maxBytes, a.supplier)
	case a.maxLines > 0 && a.lines+lines > a.maxLines:
		a.over = fmt.Errorf(tooMuch+"%d lines that the policy of supplier %s allows", a.maxLines, a.supplier)
	default:
		a.fileBytes, a.fileLines = bytes, lines
	}
	return a.over
}
