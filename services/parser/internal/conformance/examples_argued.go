package conformance

// broken is what is truly wrong with an example of the specification.
type broken struct {
	at  string // the expressions, without indexes, by spaces
	why string
}

// brokenExamples are the official examples that break rules of the specification itself.
var brokenExamples = map[string]broken{
	"SearchParameter/questionnaireresponse-extensions-QuestionnaireResponse-item-subject": {
		"SearchParameter.id", "an id has at most 64 characters (datatypes.html#id); this one has more"},
	"SearchParameter/codesystem-extensions-CodeSystem-author": {"SearchParameter.base", noBase},
	"SearchParameter/codesystem-extensions-CodeSystem-end":    {"SearchParameter.base", noBase},
	"SearchParameter/valueset-extensions-ValueSet-keyword":    {"SearchParameter.base", noBase},
	"SearchParameter/valueset-extensions-ValueSet-workflow":   {"SearchParameter.base", noBase},
	"ImplementationGuide/fhir":                                {"ImplementationGuide.name ImplementationGuide.status", "name and status are 1..1; it has neither"},

	"ActivityDefinition/heart-valve-replacement":   {"ActivityDefinition.text.div", noText},
	"EventDefinition/example":                      {"EventDefinition.text.div", noText},
	"Questionnaire/zika-virus-exposure-assessment": {"Questionnaire.text.div", noText},

	"DeviceMetric/example":        {"DeviceMetric.parent.reference", "parent is a Reference(Device); it refers to a DeviceDefinition"},
	"DeviceUseStatement/example":  {"DeviceUseStatement.reasonReference.reference", "reasonReference is a Reference(Condition | Observation | DiagnosticReport | DocumentReference | Media); it refers to a Procedure"},
	"Observation/clinical-gender": {"Observation.performer.reference", "performer is a Reference(Practitioner | PractitionerRole | Organization | CareTeam | Patient | RelatedPerson); it refers to an Encounter"},
}

const (
	noBase = "base is 1..*; it has none"
	noText = "txt-2: \"The narrative SHALL have some non-whitespace content\"; its div has none"
)

// mends make examples valid that are the only ones of their type, to be mutated too: what to
// replace by what.
var mends = map[string][2]string{
	"DeviceMetric/example":       {"DeviceDefinition/dc102", "Device/dc102"},
	"DeviceUseStatement/example": {"Procedure/example", "Condition/example"},
	"EventDefinition/example":    {"</div>", "a</div>"},
}
