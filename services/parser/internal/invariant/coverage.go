package invariant

import "github.com/stoker-fhir/stoker/pkg/fhirdef"

// Coverage is what becomes of one constraint on the objects of a type.
type Coverage struct {
	Type       *fhirdef.Type
	Constraint *fhirdef.Constraint
	Checked    bool
	Note       string // why it is not checked, or where it is if not here
}

// CoverageOf returns the coverage of all constraints of a version of FHIR, in the order of
// its types. One that has neither a rule nor a reason is not checked, without a note.
func CoverageOf(d *fhirdef.Definitions) []Coverage {
	book := newBook()
	var list []Coverage
	for _, t := range d.Types {
		for _, c := range constraintsOf(t) {
			row := Coverage{Type: t, Constraint: c}
			_, row.Checked = book.rule(c)
			if note, ok := elsewhere()[c.Key]; ok {
				row.Checked, row.Note = true, note
			} else if !row.Checked {
				row.Note = notChecked()[c.Key]
			}
			list = append(list, row)
		}
	}
	return list
}

// elsewhere are the constraints that are checked by another part of the parser.
func elsewhere() map[string]string {
	return map[string]string{
		"dom-2":  "with the contained resources",
		"dom-3":  "with the contained resources",
		"dom-4":  "with the contained resources",
		"dom-5":  "with the contained resources",
		"ele-1":  "with the structure",
		"ref-1":  "with the contained resources",
		"sqty-1": "with the structure",
		"tst-6":  "as tst-5: the type is the same",
		"tst-8":  "as tst-7: the type is the same",
		"tst-9":  "as tst-7: the type is the same",
		"tst-11": "as tst-10: the type is the same",
		"tst-13": "as tst-12: the type is the same",
		"txt-1":  "with the narrative",
		"txt-2":  "with the narrative",
	}
}

// notChecked are the constraints without a rule, with the reason.
func notChecked() map[string]string {
	return map[string]string{
		"cid-0":  "is about an element, name, that the type does not have",
		"con-3":  "best practice, as the definition itself marks it",
		"ctm-1":  "needs resolve(): the resource that a reference is to",
		"dom-6":  "best practice, as the definition itself marks it",
		"eld-11": "as the definition puts it, it is always true",
		"sdf-8":  "needs %resource: the kind and type of the structure around the snapshot",
		"sdf-8a": "needs %resource: the kind and type of the structure around the differential",
	}
}
