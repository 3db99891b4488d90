package cli

import (
	"slices"
	"strings"

	"github.com/stoker-fhir/stoker/pkg/fhirdef"
)

// checkTypes refuses what a flag names that is no resource type: a server would answer with an error, with nothing, or with
// everything. One argument may have several types, separated by commas.
func checkTypes(flag string, args []string) error {
	for _, arg := range args {
		for t := range strings.SplitSeq(arg, ",") {
			t = strings.TrimSpace(t)
			if fhirdef.IsResourceType(fhirdef.R4, []byte(t)) {
				continue
			}
			types := fhirdef.ResourceTypes(fhirdef.R4)
			if i := slices.IndexFunc(types, func(other string) bool { return strings.EqualFold(other, t) }); i >= 0 {
				return usage("%s: %q is no resource type of FHIR R4; did you mean %s?", flag, t, types[i])
			}
			return usage("%s: %q is no resource type of FHIR R4", flag, t)
		}
	}
	return nil
}
