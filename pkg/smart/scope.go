package smart

import (
	"errors"
	"strings"
)

// Scopes that a client may ask for. Those of single resource types are not: what is delivered is a file, whatever is in it.
const (
	ScopeWrite      = "system/*.write"
	ScopeRead       = "system/*.read"
	ScopeBulkSubmit = "system/bulk-submit" // of $bulk-submit; means the same here as ScopeWrite
)

var offered = []string{ScopeWrite, "system/*.cud", ScopeBulkSubmit, ScopeRead, "system/*.rs"}

// power is what a scope allows.
type power uint8

const (
	nothing    power = iota
	reading          // to see one's own imports
	delivering       // to ask for imports too
)

// grant returns what can be granted of the scopes that were asked for, in the same words. Who asks for none gets [ScopeWrite].
func grant(asked string) (string, error) {
	var granted []string
	for scope := range strings.FieldsSeq(asked) {
		if powerOf(scope) != nothing {
			granted = append(granted, scope)
		}
	}
	switch {
	case strings.TrimSpace(asked) == "":
		return ScopeWrite, nil
	case len(granted) == 0:
		return "", errors.New("none of the scopes is offered; those that are: " + strings.Join(offered, " "))
	}
	return strings.Join(granted, " "), nil
}

// MayDeliver reports whether granted scopes allow more than to look.
func MayDeliver(granted string) bool {
	for scope := range strings.FieldsSeq(granted) {
		if powerOf(scope) == delivering {
			return true
		}
	}
	return false
}

// powerOf reads a scope of version 1 (system/*.write) or 2 (system/*.cruds) of SMART.
func powerOf(scope string) power {
	switch rights, ok := strings.CutPrefix(scope, "system/*."); {
	case scope == ScopeBulkSubmit, ok && (rights == "write" || rights == "*"):
		return delivering
	case !ok || rights == "":
		return nothing
	case rights == "read":
		return reading
	case !inOrder(rights, "cruds"):
		return nothing
	case strings.ContainsAny(rights, "cu"):
		return delivering
	case strings.ContainsAny(rights, "rs"):
		return reading
	default:
		return nothing
	}
}

// inOrder reports whether a text has only letters of another, in its order, each once.
func inOrder(text, of string) bool {
	for _, letter := range text {
		i := strings.IndexRune(of, letter)
		if i < 0 {
			return false
		}
		of = of[i+1:]
	}
	return true
}
