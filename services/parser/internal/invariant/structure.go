package invariant

import (
	"bytes"
	"regexp"
)

// Conditions on the ElementDefinitions of a StructureDefinition.

// isRoot reports whether an ElementDefinition is of a structure itself: without a dot in
// its path.
func isRoot(doc []byte, at int) bool {
	path := member(doc, at, "path")
	return path >= 0 && bytes.IndexByte(text(doc, path), '.') < 0
}

// hasAll holds for objects that have some members.
func hasAll(names ...string) func(doc []byte, at int) bool {
	return func(doc []byte, at int) bool {
		for _, name := range names {
			if !exists(doc, at, name) {
				return false
			}
		}
		return true
	}
}

// rootHasNone holds for ElementDefinitions that are not of a root, or have none of some
// members.
func rootHasNone(names ...string) func(doc []byte, at int) bool {
	return func(doc []byte, at int) bool {
		if !isRoot(doc, at) {
			return true
		}
		for _, name := range names {
			if exists(doc, at, name) {
				return false
			}
		}
		return true
	}
}

// isDescribed holds for an ElementDefinition whose binding, if any, has a value set or a
// description.
func isDescribed(doc []byte, at int) bool {
	binding := member(doc, at, "binding")
	return binding < 0 || exists(doc, binding, "valueSet") || exists(doc, binding, "description")
}

// firstElement returns the first element of a snapshot or differential.
func firstElement(doc []byte, at int) int { return first(doc, member(doc, at, "element")) }

// firstHasType holds where the path of a snapshot's first element is the type, or not there.
func firstHasType(doc []byte, snapshot, structure int) bool {
	path := member(doc, firstElement(doc, snapshot), "path")
	return path < 0 || structure < 0 || bytes.Equal(text(doc, path), text(doc, structure))
}

func firstIsUntyped(doc []byte, snapshot int) bool {
	return !exists(doc, firstElement(doc, snapshot), "type")
}

func firstRootIsUntyped(doc []byte, differential int) bool {
	at := firstElement(doc, differential)
	return !isRoot(doc, at) || !exists(doc, at, "type")
}

// isNotHL7 holds for structures that are not the specification's own.
func isNotHL7() cond { return hasNoPrefix("url", "http://hl7.org/fhir/StructureDefinition") }

// hasFHIRTypes holds where the codes of the types of all elements match an expression or
// name a type of FHIRPath.
func hasFHIRTypes(name, expr string) cond {
	re, err := regexp.Compile(`^` + expr + `$|^http://hl7\.org/fhirpath/System\.[A-Z][A-Za-z]+$`)
	if err != nil {
		return failing(err)
	}
	return every(name, func(doc []byte, at int) bool { return re.Match(text(doc, at)) }, "element", "type", "code")
}
