package invariant

import (
	"strings"

	"github.com/stoker-fhir/stoker/pkg/fhirdef"
)

const (
	allergyVerification   = "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification"
	conditionClinical     = "http://terminology.hl7.org/CodeSystem/condition-clinical"
	conditionVerification = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
)

// row is the rule for a constraint. It is found by the expression, not by the key: some keys
// are used twice, and a version of FHIR that words a constraint anew must not get the rule
// of another.
type row struct {
	key        string // for the reader
	expression string
	rule       rule
}

// book is all rules by the expression of their constraint.
type book map[string]rule

func newBook() book {
	p := newPool()
	b := book{}
	for _, rows := range [][]row{generalRules(), p.typeRules(), p.resourceRulesAM(), p.resourceRulesNZ()} {
		for _, r := range rows {
			b[r.expression] = r.rule
		}
	}
	return b
}

// rule returns the rule for a constraint, if it has one.
func (b book) rule(c *fhirdef.Constraint) (rule, bool) {
	if notChecked()[c.Key] != "" || elsewhere()[c.Key] != "" {
		return nil, false
	}
	r, ok := b[c.Expression]
	return r, ok
}

// generalRules are those of every name that should be an identifier.
func generalRules() []row {
	return []row{{"*-0", `name.matches('[A-Z]([A-Za-z0-9_]){0,254}')`,
		broken(with("name")).unless(matches("name", `[A-Z]([A-Za-z0-9_]){0,254}`))}}
}

// generalConstraints are the constraints on every element or resource, which a Type does not
// list, in the words of the definitions. They have no rule here.
func generalConstraints() []fhirdef.Constraint {
	return []fhirdef.Constraint{
		{Key: "ele-1", Severity: "error", Human: "All FHIR elements must have a @value or children"},
		{Key: "dom-2", Severity: "error", Human: "If the resource is contained in another resource, it SHALL NOT contain nested Resources"},
		{Key: "dom-3", Severity: "error", Human: "If the resource is contained in another resource, it SHALL be referred to from elsewhere in the resource or SHALL refer to the containing resource"},
		{Key: "dom-4", Severity: "error", Human: "If a resource is contained in another resource, it SHALL NOT have a meta.versionId or a meta.lastUpdated"},
		{Key: "dom-5", Severity: "error", Human: "If a resource is contained in another resource, it SHALL NOT have a security label"},
		{Key: "dom-6", Severity: "warning", Human: "A resource should have narrative for robust management"},
	}
}

// constraintsOf returns all constraints on the objects of a type: the general ones and its
// own.
func constraintsOf(t *fhirdef.Type) []*fhirdef.Constraint {
	var list []*fhirdef.Constraint
	for _, c := range generalConstraints() {
		_, err := element(t, "contained")
		isDomain := t.Kind == fhirdef.Resource && err == nil
		// Whether there is a value beside the object of a companion is not in the object.
		isObject := t.Kind == fhirdef.Object && t.Name != "Element"
		if isDomain && strings.HasPrefix(c.Key, "dom-") || isObject && c.Key == "ele-1" {
			list = append(list, &c)
		}
	}
	for i := range t.Constraints {
		list = append(list, &t.Constraints[i])
	}
	return list
}
