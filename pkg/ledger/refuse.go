package ledger

import "fmt"

// refusal says in its own words why something is refused, and is for [errors.Is] one of the package's errors, whose text would only repeat it.
type refusal struct {
	error
	kind error
}

// refuse is [fmt.Errorf] for an error that is kind.
func refuse(kind error, format string, args ...any) error {
	return refusal{fmt.Errorf(format, args...), kind}
}

func (r refusal) Unwrap() []error { return []error{r.error, r.kind} }
