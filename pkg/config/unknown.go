package config

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/stoker-fhir/stoker/pkg/spelling"
)

// CheckUnknown refuses variables of environ whose names begin with prefix and are settings
// of none of the structs that known points to. The error names all of them, each with
// the setting that was probably meant, and holds no values.
func CheckUnknown(environ []string, prefix string, known ...any) error {
	var names []string
	for _, k := range known {
		fields, err := fieldsOf(k)
		if err != nil {
			return err
		}
		for _, f := range fields {
			names = append(names, f.key)
			if f.alias != "" {
				names = append(names, f.alias)
			}
			if f.sf.Type == reflect.TypeFor[Secret]() {
				names = append(names, f.key+fileSuffix)
			}
		}
	}
	var problems []error
	for _, entry := range slices.Sorted(slices.Values(environ)) {
		name, _, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, prefix) || slices.Contains(names, name) {
			continue
		}
		if meant := nearest(name, names); meant != "" {
			problems = append(problems, fmt.Errorf("%s: no such setting; did you mean %s?", name, meant))
		} else {
			problems = append(problems, fmt.Errorf("%s: no such setting", name))
		}
	}
	return errors.Join(problems...)
}

// nearest is the candidate that needs the fewest edits to become name, or "" where all
// are too far to be what was meant.
func nearest(name string, candidates []string) string {
	best, least := "", len(name)/3+1
	for _, c := range candidates {
		if d := spelling.Distance(name, c); d < least {
			best, least = c, d
		}
	}
	return best
}
