package supplier

import (
	"fmt"
	"slices"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// Fill completes a request of the supplier by its policy, where the request is silent. Refusal says
// what in it contradicts the policy, for its sender; "" is nothing.
func (p Policy) Fill(req fhirmsg.ImportRequest) (filled fhirmsg.ImportRequest, refusal string) {
	fixed := func(what string, value *string, must string) {
		switch {
		case must == "" || *value == must:
		case *value == "":
			*value = must
		case refusal == "":
			refusal = fmt.Sprintf("supplier %s delivers with %s %s; the request says %s", req.Supplier, what, must, *value)
		}
	}
	mode := string(req.Mode)
	fixed("dataset", &req.Dataset, p.DatasetOf(req.Supplier))
	fixed("mode", &mode, string(p.Mode))
	fixed("fhir_version", &req.FHIRVersion, p.FHIRVersion)
	if req.MaxDeletes != fhirmsg.NoDeletes { // until somebody confirms it
		fixed("max_deletes", &req.MaxDeletes, p.MaxDeletes)
	}
	if req.Snapshot == nil && p.Snapshot && mayBeWhole(req) {
		req.Snapshot = &p.Snapshot
	}
	req.Mode = fhirmsg.Mode(mode)

	switch {
	case p.Validation == "":
	case req.Validation == "":
		req.Validation = p.Validation
	case refusal == "" && p.IsLaxer(req.Validation):
		refusal = fmt.Sprintf("what supplier %s delivers is validated as %s at least; the request says %s", req.Supplier, p.Validation, req.Validation)
	}
	switch {
	case p.MaxLine == 0:
	case req.MaxLine == 0:
		req.MaxLine = p.MaxLine
	case refusal == "" && req.MaxLine > p.MaxLine:
		refusal = fmt.Sprintf("lines of supplier %s have at most %d bytes; the request says max_line %d", req.Supplier, p.MaxLine, req.MaxLine)
	}
	if req.Base == "" {
		req.Base = p.Base
	}
	return req, refusal
}

// mayBeWhole reports whether a request may be for all that its supplier has. Rejects that are put through again, what mends
// others, what was cut from a stream of messages, one object of a bucket and the rest of a chain of manifests are not.
func mayBeWhole(req fhirmsg.ImportRequest) bool {
	part := func(s fhirmsg.Source) bool { return s.Delivered != nil || s.After != nil || s.ETag != "" }
	return req.Retry == (fhirmsg.ImportID{}) && req.Mends == (fhirmsg.ImportID{}) && !slices.ContainsFunc(req.Sources, part)
}

// IsLaxer reports whether a validation mode is less than the policy asks for.
func (p Policy) IsLaxer(v fhirmsg.Validation) bool { return strictness(v) < strictness(p.Validation) }

func strictness(v fhirmsg.Validation) int {
	switch v {
	case fhirmsg.ValidationStrict:
		return 2
	case fhirmsg.ValidationWarn:
		return 1
	default:
		return 0
	}
}
