package conformance

// messyArgued are the documents where the verdict differs from the JSON schema's otherwise
// than by what it does not see.
var messyArgued = arguments{
	"ms-fhir-server/R4/structuredefinition-example-composition.json 0": noCompanionOfCanonical,
}

// suppliersArguedFor are the reasons of the schema that are none, by supplier.
var suppliersArguedFor = map[string]arguments{
	"us-core-examples": {"QuestionnaireResponse should NOT have additional properties": noCompanionOfCanonical},
}

const noCompanionOfCanonical = "the schema has no companions for elements of type canonical; every primitive may have one (json.html#primitive)"
