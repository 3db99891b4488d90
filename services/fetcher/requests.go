package fetcher

import (
	"context"
	"errors"
	"fmt"

	"github.com/stoker-fhir/stoker/pkg/bus"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// requests are imports that the fetcher itself asks for: of the drop folder, and of what was delivered over NATS.
type requests struct {
	*ledger.Ledger
	bus *bus.Bus
}

// Request asks for an import. What it leaves open, the supplier's policy fills in.
func (r requests) Request(ctx context.Context, req fhirmsg.ImportRequest) error {
	if err := req.CheckOpen(); err != nil {
		return err
	}
	msg, err := req.Encode()
	if err != nil {
		return err
	}
	return r.bus.Publish(ctx, fhirmsg.FetchSubject(req.Supplier), req.MessageID(), msg)
}

// refusal says why a request is refused that came on a supplier's subject; "" is that it is not. The supplier of
// the subject decides, since NATS lets nobody publish there but who may, and the import becomes that supplier's.
//
// A supplier that was declared may ask for what it could ask for over HTTP: files of the server are the operator's.
// Its ids are of version 7, as those of requests are, so that it can take none that Stoker makes of keys.
func (f *fetcher) refusal(ctx context.Context, req *fhirmsg.ImportRequest, supplier string, isOperators bool) (string, error) {
	if req.Supplier != supplier {
		reason := fmt.Sprintf("the request names supplier %s, and was published as one of supplier %s", req.Supplier, supplier)
		req.Supplier = supplier
		return reason, nil
	}
	if isOperators {
		return "", nil
	}
	declared, err := f.ledger.Supplier(ctx, supplier)
	if errors.Is(err, ledger.ErrNoSupplier) {
		return "", nil // nobody is bound to a policy who is not a supplier
	}
	if err != nil {
		return "", err
	}
	// What was accepted goes on as it was accepted: an older version published all requests on this subject.
	if owner, err := f.ledger.SupplierOf(ctx, req.ID); err == nil && owner == supplier {
		return "", nil
	} else if err != nil && !errors.Is(err, ledger.ErrNotFound) {
		return "", err
	}
	if req.Attempt != 0 {
		return "attempt: is not a supplier's to choose", nil
	}
	for _, s := range req.Sources {
		if s.URL == "" && s.Manifest == "" && s.Export == nil && s.Pull == nil {
			return "a supplier's request names URLs, manifests, exports or pulls; files of the server, and what was handed in there, are for its operator", nil
		}
	}
	if req.Retry != (fhirmsg.ImportID{}) && declared.IsLaxer(req.Validation) {
		return fmt.Sprintf("what supplier %s delivers is validated as %s at least", supplier, declared.Validation), nil
	}
	if req.ID[6]>>4 != 7 {
		return "the id of a supplier's request must be a UUID of version 7", nil
	}
	open, err := f.ledger.UnendedImports(ctx, supplier)
	if err != nil {
		return "", err
	}
	if open >= ledger.MaxOpenImports {
		return fmt.Sprintf("%d imports of supplier %s have not ended, which is as many as may wait; ask again under another id when some have", open, supplier), nil
	}
	return "", nil
}

// refuse shows a request as an import that failed.
func (f *fetcher) refuse(ctx context.Context, req fhirmsg.ImportRequest, reason string) error {
	imp, err := f.ledger.Refuse(ctx, req, rules, reason)
	if err != nil {
		return err
	}
	return f.journal.Import(ctx, imp.ID)
}
