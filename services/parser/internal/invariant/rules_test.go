package invariant

import (
	"slices"
	"testing"
)

// cases has for each rule an object that keeps the constraint and one that breaks it.
var cases = []struct{ key, typ, good, bad string }{
	// Of every element, resource or name.
	{"vsd-0", "ValueSet", `{"name":"A_1"}`, `{"name":"a 1"}`},
	{"mea-0", "Measure", `{}`, `{"name":"Über"}`},

	// Data types.
	{"age-1", "Age", `{"value":1,"code":"a","system":"http://unitsofmeasure.org"}`, `{"value":1}`},
	{"age-1", "Age", `{"system":"http://unitsofmeasure.org"}`, `{"system":"http://example.org"}`},
	{"age-1", "Age", `{"value":0.1,"code":"a","system":"http://unitsofmeasure.org"}`, `{"value":0.0,"code":"a","system":"http://unitsofmeasure.org"}`},
	{"att-1", "Attachment", `{"data":"AA==","contentType":"text/plain"}`, `{"data":"AA=="}`},
	{"att-1", "Attachment", `{"url":"x"}`, `{"data":"AA==","url":"x"}`},
	{"cnt-3", "Count", `{"value":1,"code":"1","system":"http://unitsofmeasure.org"}`, `{"value":1.0,"code":"1","system":"http://unitsofmeasure.org"}`},
	{"cnt-3", "Count", `{"code":"1","system":"http://unitsofmeasure.org"}`, `{"code":"2","system":"http://unitsofmeasure.org"}`},
	{"cnt-3", "Count", `{"unit":"x"}`, `{"value":1}`},
	{"cnt-3", "Count", `{"system":"http://unitsofmeasure.org"}`, `{"system":"urn:x"}`},
	{"cpt-2", "ContactPoint", `{"value":"1","system":"phone"}`, `{"value":"1"}`},
	{"dis-1", "Distance", `{"value":1,"code":"m"  ,"system":"http://unitsofmeasure.org"}`, `{"value":1}`},
	{"dis-1", "Distance", `{}`, `{"system":"urn:x"}`},
	{"drq-1", "DataRequirement.codeFilter", `{"path":"a"}`, `{"path":"a","searchParam":"b"}`},
	{"drq-1", "DataRequirement.codeFilter", `{"searchParam":"a"}`, `{}`},
	{"drq-2", "DataRequirement.dateFilter", `{"path":"a"}`, `{"path":"a","searchParam":"b"}`},
	{"drt-1", "Duration", `{"value":1,"code":"h","system":"http://unitsofmeasure.org"}`, `{"value":1,"code":"h","system":"urn:x"}`},
	{"drt-1", "Duration", `{"value":1}`, `{"code":"h","system":"http://unitsofmeasure.org"}`},
	{"eld-1", "ElementDefinition.slicing", `{"description":"a"}`, `{"rules":"open"}`},
	{"eld-2", "ElementDefinition", `{"min":1,"max":"1"}`, `{"min":2,"max":"1"}`},
	{"eld-2", "ElementDefinition", `{"min":5,"max":"*"}`, `{"min":10,"max":"9"}`},
	{"eld-3", "ElementDefinition", `{"max":"*"}`, `{"max":"-1"}`},
	{"eld-3", "ElementDefinition", `{"max":"0"}`, `{"max":"n"}`},
	{"eld-4", "ElementDefinition.type", `{"code":"Reference","aggregation":["bundled"]}`, `{"code":"Coding","aggregation":["bundled"]}`},
	{"eld-5", "ElementDefinition", `{"contentReference":"#a","min":0}`, `{"contentReference":"#a","minValueInteger":0}`},
	{"eld-6", "ElementDefinition", `{"fixedCode":"a","type":[{"code":"a"}]}`, `{"fixedCode":"a","type":[{"code":"a"},{"code":"b"}]}`},
	{"eld-7", "ElementDefinition", `{"patternCode":"a","type":[{"code":"a"}]}`, `{"patternCode":"a","type":[{"code":"a"},{"code":"b"}]}`},
	{"eld-8", "ElementDefinition", `{"patternCode":"a"}`, `{"patternCode":"a","fixedCode":"a"}`},
	{"eld-12", "ElementDefinition.binding", `{"valueSet":"https://x"}`, `{"valueSet":"#x"}`},
	{"eld-12", "ElementDefinition.binding", `{"description":"x"}`, `{"valueSet":"h"}`},
	{"eld-13", "ElementDefinition", `{"type":[{"code":"a"},{"code":"b"}]}`, `{"type":[{"code":"a"},{"code":"b"},{"code":"a"}]}`},
	{"eld-14", "ElementDefinition", `{"constraint":[{"key":"a"},{"key":"b"}]}`, `{"constraint":[{"key":"a"},{"key":"a"}]}`},
	{"eld-15", "ElementDefinition", `{"defaultValueCode":"a"}`, `{"defaultValueCode":"a","meaningWhenMissing":"b"}`},
	{"eld-16", "ElementDefinition", `{"sliceName":"a/b-c_d[e]@f"}`, `{"sliceName":"a b"}`},
	{"eld-17", "ElementDefinition.type", `{"code":"canonical","targetProfile":["x"]}`, `{"code":"uri","targetProfile":["x"]}`},
	{"eld-18", "ElementDefinition", `{"isModifier":true,"isModifierReason":"x"}`, `{"isModifier":true}`},
	{"eld-18", "ElementDefinition", `{"isModifier":false}`, `{ "path":"a" , "isModifier" : true }`},
	{"eld-19", "ElementDefinition", `{"path":"A.b.c[x]"}`, `{"path":"A.b c"}`},
	{"eld-20", "ElementDefinition", `{"path":"A.b"}`, `{"path":"A.B"}`},
	{"eld-21", "ElementDefinition.constraint", `{"expression":"x"}`, `{"key":"x"}`},
	{"eld-22", "ElementDefinition", `{"sliceIsConstraining":true,"sliceName":"a"}`, `{"sliceIsConstraining":true}`},
	{"exp-1", "Expression", `{"reference":"x"}`, `{"language":"x"}`},
	{"ext-1", "Extension", `{"url":"x","valueCode":"a"}`, `{"url":"x"}`},
	{"ext-1", "Extension", `{"url":"x","_valueCode":{"id":"a"}}`, `{"url":"x","valueCode":"a","extension":[{"url":"y","valueCode":"a"}]}`},
	{"per-1", "Period", `{"start":"2020","end":"2020"}`, `{"start":"2020-02","end":"2020-01"}`},
	{"per-1", "Period", `{"start":"2020-01-02","end":"2020-01-02T10:00:00Z"}`, `{"start":"2020-01-01T10:00:00Z","end":"2020-01-01T10:00:00+01:00"}`},
	{"per-1", "Period", `{"start":"2021"}`, `{"start":"2021","end":"2020-12-31"}`},
	{"per-1", "Period", `{"start":"2021","_end":{"id":"a"}}`, `{"end":"2020","start":"2021"}`},
	{"qty-3", "Quantity", `{"code":"m","system":"urn:x"}`, `{"code":"m"}`},
	{"rat-1", "Ratio", `{"numerator":{},"denominator":{}}`, `{"numerator":{}}`},
	{"rat-1", "Ratio", `{"extension":[{}]}`, `{"id":"x","_id":null}`},
	{"rat-1", "Ratio", `{"extension":[{}],"numerator":{},"denominator":{}}`, `{"extension":[{}],"denominator":{}}`},
	{"rng-2", "Range", `{"low":{"value":1.0},"high":{"value":1}}`, `{"low":{"value":1.1},"high":{"value":1}}`},
	{"rng-2", "Range", `{"low":{"value":10,"unit":"mg"},"high":{"value":1,"unit":"g"}}`, `{"low":{"value":10,"unit":"mg"},"high":{"value":9,"unit":"mg"}}`},
	{"rng-2", "Range", `{"low":{"value":10}}`, `{"low":{"value":1e1},"high":{"value":9.99}}`},
	{"tim-1", "Timing.repeat", `{"duration":1,"durationUnit":"h"}`, `{"duration":1}`},
	{"tim-2", "Timing.repeat", `{"period":1,"periodUnit":"h"}`, `{"period":1}`},
	{"tim-4", "Timing.repeat", `{"duration":0,"durationUnit":"h"}`, `{"duration":-1,"durationUnit":"h"}`},
	{"tim-5", "Timing.repeat", `{"period":1.5,"periodUnit":"h"}`, `{"period":-0.1,"periodUnit":"h"}`},
	{"tim-6", "Timing.repeat", `{"periodMax":2,"period":1,"periodUnit":"h"}`, `{"periodMax":2}`},
	{"tim-7", "Timing.repeat", `{"durationMax":2,"duration":1,"durationUnit":"h"}`, `{"durationMax":2}`},
	{"tim-8", "Timing.repeat", `{"countMax":2,"count":1}`, `{"countMax":2}`},
	{"tim-9", "Timing.repeat", `{"offset":5,"when":["ACM"]}`, `{"offset":5}`},
	{"tim-9", "Timing.repeat", `{"when":["C"]}`, `{"offset":5,"when":["ACM","CD"]}`},
	{"tim-10", "Timing.repeat", `{"timeOfDay":["10:00:00"]}`, `{"timeOfDay":["10:00:00"],"when":["ACM"]}`},
	{"trd-1", "TriggerDefinition", `{"type":"data-added","data":[{}]}`, `{"type":"data-added","data":[{}],"timingDate":"2020"}`},
	{"trd-2", "TriggerDefinition", `{"type":"data-added","data":[{}],"condition":{}}`, `{"condition":{}}`},
	{"trd-3", "TriggerDefinition", `{"type":"named-event","name":"a"}`, `{"type":"named-event"}`},
	{"trd-3", "TriggerDefinition", `{"name":"x"}`, `{"type":"periodic"}`},
	{"trd-3", "TriggerDefinition", `{"type":"data-added","data":[{}]}`, `{"type":"data-added"}`},

	// Resources.
	{"ait-1", "AllergyIntolerance", `{"clinicalStatus":{}}`, `{"code":{}}`},
	{"ait-1", "AllergyIntolerance",
		`{"verificationStatus":{"coding":[{"code":"x"},{"system":"http://terminology.hl7.org/CodeSystem/allergyintolerance-verification","code":"entered-in-error"}]}}`,
		`{"verificationStatus":{"coding":[{"system":"urn:x","code":"entered-in-error"}]}}`},
	{"ait-2", "AllergyIntolerance", `{"clinicalStatus":{},"verificationStatus":{"coding":[{"code":"entered-in-error"}]}}`,
		`{"clinicalStatus":{},"verificationStatus":{"coding":[{"code":"entered-in-error","system":"http://terminology.hl7.org/CodeSystem/allergyintolerance-verification"}]}}`},
	{"app-1", "Appointment.participant", `{"actor":{}}`, `{"status":"accepted"}`},
	{"app-2", "Appointment", `{"start":"2020","end":"2021"}`, `{"start":"2020","status":"proposed"}`},
	{"app-3", "Appointment", `{"status":"proposed"}`, `{"status":"booked"}`},
	{"app-3", "Appointment", `{"status":"booked","start":"2020","end":"2021"}`, `{"status":"booked","start":"2020"}`},
	{"app-3", "Appointment", `{}`, `{"status":"noshow"}`},
	{"app-4", "Appointment", `{"status":"cancelled","cancelationReason":{}}`, `{"status":"proposed","cancelationReason":{}}`},
	{"apr-1", "AppointmentResponse", `{"actor":{}}`, `{"comment":"x"}`},
	{"bdl-1", "Bundle", `{"type":"history","total":1}`, `{"type":"collection","total":1}`},
	{"bdl-2", "Bundle", `{"type":"searchset","entry":[{"search":{}}]}`, `{"type":"collection","entry":[{},{"search":{}}]}`},
	{"bdl-3", "Bundle", `{"type":"batch","entry":[{"request":{}}]}`, `{"type":"batch","entry":[{"request":{}},{"resource":{}}]}`},
	{"bdl-3", "Bundle", `{"type":"collection","entry":[{}]}`, `{"type":"collection","entry":[{"request":{}}]}`},
	{"bdl-4", "Bundle", `{"type":"history","entry":[{"request":{},"response":{}}]}`, `{"type":"history","entry":[{"request":{}}]}`},
	{"bdl-4", "Bundle", `{"entry":[{"response":{}}]}`, `{"type":"searchset","entry":[{"response":{}}]}`},
	{"bdl-5", "Bundle.entry", `{"resource":{}}`, `{"fullUrl":"urn:x"}`},
	{"bdl-7", "Bundle", `{"type":"collection","entry":[{"fullUrl":"a"},{"fullUrl":"b"},{},{}]}`, `{"type":"collection","entry":[{"fullUrl":"a"},{"fullUrl":"b"},{"fullUrl":"a"}]}`},
	{"bdl-7", "Bundle", `{"type":"collection","entry":[{"fullUrl":"a","resource":{"meta":{"versionId":"1"}}},{"fullUrl":"a","resource":{"meta":{"versionId":"2"}}}]}`,
		`{"type":"collection","entry":[{"fullUrl":"a","resource":{"meta":{"versionId":"1"}}},{"fullUrl":"a","resource":{"meta":{"versionId":"1"}}}]}`},
	{"bdl-8", "Bundle.entry", `{"resource":{},"fullUrl":"http://x/Patient/1"}`, `{"resource":{},"fullUrl":"http://x/Patient/1/_history/1"}`},
	{"bdl-9", "Bundle", `{"type":"document","timestamp":"x","identifier":{"system":"x","value":"y"},"entry":[{"resource":{"resourceType":"Composition"}}]}`, `{"type":"document","identifier":{"system":"x"}}`},
	{"bdl-10", "Bundle", `{"type":"collection"}`, `{"type":"document"}`},
	{"bdl-11", "Bundle", `{"type":"collection"}`, `{"type":"document","entry":[{"resource":{"resourceType":"Patient"}},{"resource":{"resourceType":"Composition"}}]}`},
	{"bdl-12", "Bundle", `{"type":"message","entry":[{"resource":{"resourceType":"MessageHeader"}}]}`, `{"type":"message"}`},
	{"ces-1", "CoverageEligibilityResponse.insurance.item", `{"category":{}}`, `{"category":{},"productOrService":{}}`},
	{"cmd-1", "ConceptMap.group.element.target", `{"equivalence":"equal"}`, `{"equivalence":"inexact"}`},
	{"cmd-1", "ConceptMap.group.element.target", `{"equivalence":"narrower","comment":"x"}`, `{"equivalence":"narrower"}`},
	{"cmd-2", "ConceptMap.group.unmapped", `{"mode":"fixed","code":"x"}`, `{"mode":"fixed"}`},
	{"cmd-3", "ConceptMap.group.unmapped", `{"mode":"provided"}`, `{"mode":"other-map"}`},
	{"cmp-1", "Composition.section", `{"section":[{}]}`, `{"title":"x"}`},
	{"cmp-2", "Composition.section", `{"emptyReason":{},"text":{}}`, `{"emptyReason":{},"entry":[{}]}`},
	{"con-1", "Condition.stage", `{"assessment":[{}]}`, `{"type":{}}`},
	{"con-2", "Condition.evidence", `{"detail":[{}]}`, `{"id":"a"}`},
	{"con-4", "Condition", `{"abatementAge":{},"clinicalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/condition-clinical","code":"remission"}]}}`,
		`{"abatementString":"x","clinicalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/condition-clinical","code":"active"}]}}`},
	{"con-4", "Condition", `{}`, `{"abatementDateTime":"2020"}`},
	{"con-5", "Condition", `{"verificationStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/condition-ver-status","code":"entered-in-error"}]}}`,
		`{"clinicalStatus":{},"verificationStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/condition-ver-status","code":"entered-in-error"}]}}`},
	{"cpb-1", "CapabilityStatement", `{"rest":[{}],"description":"x"}`, `{"description":"x"}`},
	{"cpb-2", "CapabilityStatement", `{"rest":[{}],"software":{}}`, `{"rest":[{}]}`},
	{"cpb-3", "CapabilityStatement", `{"kind":"capability","software":{},"messaging":[{}]}`, `{"kind":"capability","messaging":[{},{"endpoint":[{}]}]}`},
	{"cpb-7", "CapabilityStatement", `{"software":{},"document":[{"profile":"a","mode":"x"},{"profile":"a","mode":"y"}]}`, `{"document":[{"profile":"a","mode":"x"},{"profile":"a","mode":"x"}]}`},
	{"cpb-9", "CapabilityStatement.rest", `{"resource":[{"type":"a"},{"type":"b"}]}`, `{"resource":[{"type":"a"},{"type":"a"}]}`},
	{"cpb-12", "CapabilityStatement.rest.resource", `{"searchParam":[{"name":"a"},{"name":"b"}]}`, `{"searchParam":[{"name":"a"},{"name":"b"},{"name":"b"}]}`},
	{"cpb-14", "CapabilityStatement", `{"kind":"instance","rest":[{}],"implementation":{}}`, `{"kind":"instance"}`},
	{"cpb-15", "CapabilityStatement", `{"kind":"capability","rest":[{}],"software":{}}`, `{"kind":"capability"}`},
	{"cpb-15", "CapabilityStatement", `{"kind":"capability","rest":[{}],"software":{}}`, `{"kind":"capability","software":{},"implementation":{}}`},
	{"cpb-16", "CapabilityStatement", `{"kind":"requirements","rest":[{}],"description":"x"}`, `{"kind":"requirements","software":{}}`},
	{"cpl-3", "CarePlan.activity", `{"detail":{}}`, `{"detail":{},"reference":{}}`},
	{"csd-1", "CodeSystem", `{"concept":[{"code":"a","concept":[{"code":"b"}]}]}`, `{"concept":[{"code":"a","concept":[{"code":"b"},{"code":"c"}]},{"code":"c"}]}`},
	{"fhs-1", "FamilyMemberHistory", `{"ageString":"x"}`, `{"ageString":"x","bornDate":"2020"}`},
	{"fhs-2", "FamilyMemberHistory", `{"ageString":"x","estimatedAge":true}`, `{"estimatedAge":true}`},
	{"gol-1", "Goal.target", `{"detailString":"x","measure":{}}`, `{"detailString":"x"}`},
	{"grp-1", "Group", `{"actual":true,"member":[{}]}`, `{"actual":false,"member":[{}]}`},
	{"ig-1", "ImplementationGuide.definition", `{"grouping":[{"id":"a"},{"id":"b"}],"resource":[{"groupingId":"b"},{}]}`, `{"grouping":[{"id":"a"}],"resource":[{"groupingId":"b"}]}`},
	{"ig-1", "ImplementationGuide.definition", `{"resource":[{}]}`, `{"resource":[{"groupingId":"b"}]}`},
	{"ig-2", "ImplementationGuide", `{"fhirVersion":["4.0.1"],"definition":{"resource":[{"fhirVersion":["4.0.1"]}]}}`, `{"fhirVersion":["4.0.1"],"definition":{"resource":[{"fhirVersion":["3.0.2"]}]}}`},
	{"imm-1", "Immunization.education", `{"reference":"x"}`, `{"id":"x","publicationDate":"2020"}`},
	{"imr-1", "ImmunizationRecommendation.recommendation", `{"targetDisease":{}}`, `{"series":"x"}`},
	{"inv-1", "Parameters.parameter", `{"name":"x","valueCode":"a"}`, `{"name":"x"}`},
	{"inv-1", "Parameters.parameter", `{"name":"x","part":[{}]}`, `{"name":"x","part":[{}],"resource":{}}`},
	{"inv-1", "Parameters.parameter", `{"name":"x","resource":{}}`, `{"name":"x","valueCode":"a","resource":{}}`},
	{"inv-1", "Task", `{"authoredOn":"2020","lastModified":"2021"}`, `{"authoredOn":"2021","lastModified":"2020"}`},
	{"inv-1", "TestReport.setup.action", `{"operation":{}}`, `{"operation":{},"assert":{}}`},
	{"inv-2", "TestReport.test.action", `{"assert":{}}`, `{"operation":{},"assert":{}}`},
	{"ipn-1", "InsurancePlan", `{"name":"x"}`, `{"alias":["x"]}`},
	{"lnk-1", "Linkage", `{"item":[{},{}]}`, `{"item":[{}]}`},
	{"lst-1", "List", `{"emptyReason":{}}`, `{"emptyReason":{},"entry":[{}]}`},
	{"lst-2", "List", `{"mode":"changes","entry":[{"deleted":true}]}`, `{"mode":"snapshot","entry":[{},{"deleted":true}]}`},
	{"lst-3", "List", `{"mode":"working","entry":[{"date":"2020"}]}`, `{"mode":"snapshot","entry":[{"date":"2020"}]}`},
	{"mad-1", "MedicationAdministration.dosage", `{"rateQuantity":{}}`, `{"text":"x"}`},
	{"md-1", "MessageDefinition.focus", `{"max":"1"}`, `{"max":"0"}`},
	{"md-1", "MessageDefinition.focus", `{"max":"*"}`, `{"max":"x"}`},
	{"mdd-1", "MedicationDispense", `{"whenPrepared":"2020","whenHandedOver":"2021"}`, `{"whenPrepared":"2021","whenHandedOver":"2020"}`},
	{"mea-1", "Measure", `{"group":[{"stratifier":[{"criteria":{}},{"component":[{}]}]}]}`, `{"group":[{"stratifier":[{"criteria":{},"component":[{}]}]}]}`},
	{"mrp-1", "MeasureReport", `{"type":"summary","group":[{}]}`, `{"type":"data-collection","group":[{}]}`},
	{"mrp-2", "MeasureReport", `{"group":[{"stratifier":[{"stratum":[{"value":{}}]}]}]}`, `{"group":[{"stratifier":[{"stratum":[{"value":{}},{"value":{},"component":[{}]}]}]}]}`},
	{"msq-3", "MolecularSequence", `{"coordinateSystem":1}`, `{"coordinateSystem":2}`},
	{"msq-5", "MolecularSequence.referenceSeq", `{"chromosome":{},"genomeBuild":"x"}`, `{"genomeBuild":"x"}`},
	{"msq-6", "MolecularSequence.referenceSeq", `{"referenceSeqString":"x"}`, `{"referenceSeqString":"x","referenceSeqPointer":{}}`},
	{"nor-1", "NutritionOrder", `{"supplement":[{}]}`, `{"status":"draft"}`},
	{"nsd-1", "NamingSystem", `{"kind":"root","uniqueId":[{"type":"oid"}]}`, `{"kind":"root","uniqueId":[{"type":"oid"},{"type":"uuid"}]}`},
	{"nsd-1", "NamingSystem", `{"kind":"codesystem","uniqueId":[{"type":"uuid"}]}`, `{"kind":"root","uniqueId":[{"type":"uuid"}]}`},
	{"nsd-2", "NamingSystem", `{"uniqueId":[{"type":"oid","preferred":true},{"type":"oid","preferred":false},{"type":"uri","preferred":true}]}`, `{"uniqueId":[{"type":"oid","preferred":true},{"type":"oid","preferred":true}]}`},
	{"obs-3", "Observation.referenceRange", `{"text":"x"}`, `{"type":{}}`},
	{"obs-6", "Observation", `{"dataAbsentReason":{}}`, `{"dataAbsentReason":{},"valueString":"x"}`},
	{"obs-7", "Observation", `{"code":{"coding":[{"code":"a"}]},"valueInteger":1,"component":[{"code":{"coding":[{"code":"b"},{"code":"a","display":"A"}]}}]}`,
		`{"code":{"coding":[{"code":"z"},{"code":"a","system":"s"}]},"valueInteger":1,"component":[{"code":{}},{"code":{"coding":[{"system":"s","code":"a"}]}}]}`},
	{"opd-1", "OperationDefinition.parameter", `{"type":"string"}`, `{"name":"x"}`},
	{"opd-2", "OperationDefinition.parameter", `{"type":"string","searchType":"token"}`, `{"type":"code","searchType":"token"}`},
	{"opd-2", "OperationDefinition.parameter", `{"part":[{}]}`, `{"part":[{}],"searchType":"token"}`},
	{"opd-3", "OperationDefinition.parameter", `{"type":"Reference","targetProfile":["x"]}`, `{"type":"code","targetProfile":["x"]}`},
	{"org-1", "Organization", `{"name":"x"}`, `{"active":true}`},
	{"org-2", "Organization", `{"name":"x","address":[{"use":"work"}]}`, `{"name":"x","address":[{"use":"work"},{"use":"home"}]}`},
	{"org-3", "Organization", `{"name":"x","telecom":[{"use":"work"}]}`, `{"name":"x","telecom":[{"use":"home"}]}`},
	{"pat-1", "Patient.contact", `{"organization":{}}`, `{"gender":"male"}`},
	{"ppc-1", "Consent", `{"policyRule":{}}`, `{"status":"active"}`},
	{"ppc-2", "Consent", `{"policyRule":{},"scope":{"coding":[{"code":"patient-privacy"}]}}`, `{"scope":{"coding":[{"system":"something","code":"patient-privacy"}]}}`},
	{"ppc-3", "Consent", `{"policyRule":{},"patient":{},"scope":{"coding":[{"system":"something","code":"research"}]}}`, `{"scope":{"coding":[{"system":"something","code":"research"}]}}`},
	{"ppc-4", "Consent", `{"policyRule":{}}`, `{"scope":{"coding":[{"system":"something","code":"adr"}]}}`},
	{"ppc-5", "Consent", `{"policyRule":{}}`, `{"scope":{"coding":[{"system":"something","code":"treatment"}]}}`},
	{"prr-1", "ServiceRequest", `{"orderDetail":[{}],"code":{}}`, `{"orderDetail":[{}]}`},
	{"qrs-1", "QuestionnaireResponse.item", `{"item":[{}]}`, `{"item":[{}],"answer":[{}]}`},
	{"que-1", "Questionnaire.item", `{"type":"group","item":[{}]}`, `{"type":"group"}`},
	{"que-1", "Questionnaire.item", `{"type":"display"}`, `{"type":"display","item":[{}]}`},
	{"que-2", "Questionnaire", `{"item":[{"linkId":"1","item":[{"linkId":"1.1"}]}]}`, `{"item":[{"linkId":"1","item":[{"linkId":"1"}]}]}`},
	{"que-3", "Questionnaire.item", `{"type":"string","code":[{}]}`, `{"type":"display","code":[{}]}`},
	{"que-4", "Questionnaire.item", `{"type":"choice","answerValueSet":"x"}`, `{"type":"choice","answerValueSet":"x","answerOption":[{}]}`},
	{"que-5", "Questionnaire.item", `{"type":"choice","answerOption":[{}]}`, `{"type":"boolean","answerOption":[{}]}`},
	{"que-6", "Questionnaire.item", `{"type":"string","required":true,"repeats":true}`, `{"type":"display","repeats":false}`},
	{"que-7", "Questionnaire.item.enableWhen", `{"operator":"exists","answerBoolean":true}`, `{"operator":"exists","answerInteger":1}`},
	{"que-7", "Questionnaire.item.enableWhen", `{"operator":"=","answerInteger":1}`, `{"operator":"exists","answerString":"true"}`},
	{"que-8", "Questionnaire.item", `{"type":"string","initial":[{}]}`, `{"type":"group","item":[{}],"initial":[{}]}`},
	{"que-9", "Questionnaire.item", `{"type":"string","readOnly":true}`, `{"type":"display","readOnly":true}`},
	{"que-10", "Questionnaire.item", `{"type":"text","maxLength":5}`, `{"type":"date","maxLength":5}`},
	{"que-11", "Questionnaire.item", `{"type":"choice","answerOption":[{}]}`, `{"type":"choice","answerOption":[{}],"initial":[{}]}`},
	{"que-12", "Questionnaire.item", `{"type":"string","enableWhen":[{}]}`, `{"type":"string","enableWhen":[{},{}]}`},
	{"que-12", "Questionnaire.item", `{"type":"string","enableWhen":[{},{},{}],"enableBehavior":"all"}`, `{"type":"group","enableWhen":[{},{},{},{}]}`},
	{"que-13", "Questionnaire.item", `{"type":"string","repeats":true,"initial":[{},{}]}`, `{"type":"string","initial":[{},{}]}`},
	{"ras-1", "RiskAssessment.prediction", `{"probabilityRange":{"low":{"code":"%","system":"http://unitsofmeasure.org"}}}`, `{"probabilityRange":{"low":{"code":"%","system":"http://unitsofmeasure.org"},"high":{"code":"1"}}}`},
	{"ras-2", "RiskAssessment.prediction", `{"probabilityDecimal":100.0}`, `{"probabilityDecimal":100.01}`},
	{"rqg-1", "RequestGroup.action", `{"resource":{}}`, `{"resource":{},"action":[{}]}`},
	{"sdf-1", "StructureDefinition", `{"baseDefinition":"x","derivation":"constraint","snapshot":{"element":[{"path":"a","id":"a"},{"path":"a","id":"b"}]}}`, `{"snapshot":{"element":[{"path":"a"},{"path":"a"}]}}`},
	{"sdf-2", "StructureDefinition.mapping", `{"name":"x"}`, `{"identity":"x"}`},
	{"sdf-3", "StructureDefinition.snapshot", `{"element":[{"definition":"a","min":0,"max":"1","base":{}}]}`, `{"element":[{"definition":"a","min":0,"base":{}}]}`},
	{"sdf-4", "StructureDefinition", `{"abstract":true,"differential":{}}`, `{"kind":"resource","abstract":false}`},
	{"sdf-5", "StructureDefinition", `{"baseDefinition":"x","type":"Extension","differential":{},"context":[{}]}`, `{"type":"Extension"}`},
	{"sdf-6", "StructureDefinition", `{"abstract":true,"differential":{}}`, `{"abstract":true}`},
	{"sdf-8b", "StructureDefinition.snapshot", `{"element":[{"definition":"a","min":0,"max":"1","base":{}}]}`, `{"element":[{"base":{}},{"path":"a"}]}`},
	{"sdf-9", "StructureDefinition", `{"abstract":true,"snapshot":{"element":[{"id":"x","path":"a.b","label":"x"}]}}`, `{"differential":{"element":[{"id":"x","path":"a","label":"x"}]}}`},
	{"sdf-9", "StructureDefinition", `{"abstract":true,"snapshot":{"element":[{"id":"x","path":"a"}]}}`, `{"snapshot":{"element":[{"id":"x","path":"a","code":[{}]}]}}`},
	{"sdf-10", "StructureDefinition.snapshot", `{"element":[{"base":{},"definition":"a","min":0,"max":"1","binding":{"valueSet":"x"}}]}`, `{"element":[{"binding":{"strength":"required"}}]}`},
	{"sdf-11", "StructureDefinition", `{"abstract":true,"type":"A","snapshot":{"element":[{"id":"x","path":"A"}]}}`, `{"kind":"resource","type":"A","snapshot":{"element":[{"id":"x","path":"B"}]}}`},
	{"sdf-14", "StructureDefinition", `{"abstract":true,"snapshot":{"element":[{"id":"x"}]}}`, `{"snapshot":{"element":[{"id":"x"},{"path":"x"}]}}`},
	{"sdf-14", "StructureDefinition", `{"abstract":true,"differential":{"element":[{"id":"x"}]}}`, `{"differential":{"element":[{"path":"x"}]}}`},
	{"sdf-15", "StructureDefinition", `{"kind":"resource","abstract":true,"snapshot":{"element":[{"id":"x"},{"id":"y","type":[{}]}]}}`, `{"kind":"resource","snapshot":{"element":[{"id":"x","type":[{}]}]}}`},
	{"sdf-15a", "StructureDefinition", `{"kind":"resource","abstract":true,"differential":{"element":[{"id":"x","path":"A.b","type":[{}]}]}}`, `{"kind":"resource","differential":{"element":[{"id":"x","path":"A","type":[{}]}]}}`},
	{"sdf-16", "StructureDefinition", `{"abstract":true,"snapshot":{"element":[{"id":"x"},{"id":"y"}]}}`, `{"snapshot":{"element":[{"id":"x"},{"id":"x"}]}}`},
	{"sdf-17", "StructureDefinition", `{"abstract":true,"differential":{"element":[{"id":"x"},{"id":"y"}]}}`, `{"differential":{"element":[{"id":"x"},{"id":"x"}]}}`},
	{"sdf-18", "StructureDefinition", `{"type":"Extension","context":[{}],"abstract":true,"differential":{},"contextInvariant":["x"]}`, `{"type":"Patient","contextInvariant":["x"]}`},
	{"sdf-19", "StructureDefinition", `{"url":"http://example.org","abstract":true,"differential":{"element":[{"id":"x","type":[{"code":"a/b"}]}]}}`, `{"url":"http://hl7.org/fhir/StructureDefinition/a","differential":{"element":[{"id":"x","type":[{"code":"a/b"}]}]}}`},
	{"sdf-19", "StructureDefinition", `{"url":"http://hl7.org/fhir/StructureDefinition/a","abstract":true,"snapshot":{"element":[{"id":"x"},{"id":"y","type":[{"code":"http://hl7.org/fhirpath/System.String"},{"code":"b"}]}]}}`,
		`{"url":"http://hl7.org/fhir/StructureDefinition/a","snapshot":{"element":[{"id":"x","type":[{"code":"b"},{"code":"c d"}]}]}}`},
	{"sdf-20", "StructureDefinition.differential", `{"element":[{"path":"A"},{"path":"A.b","slicing":{}}]}`, `{"element":[{"path":"A","slicing":{}}]}`},
	{"sdf-21", "StructureDefinition", `{"abstract":true,"derivation":"specialization","differential":{"element":[{"id":"x","defaultValueCode":"x"}]}}`, `{"derivation":"constraint","differential":{"element":[{"id":"x","defaultValueCode":"x"}]}}`},
	{"sdf-22", "StructureDefinition", `{"abstract":true,"url":"http://hl7.org/fhir/StructureDefinition/a","snapshot":{"element":[{"id":"x"}]}}`, `{"url":"http://hl7.org/fhir/StructureDefinition/a","snapshot":{"element":[{"id":"x","defaultValueCode":"x"}]}}`},
	{"sdf-23", "StructureDefinition", `{"abstract":true,"differential":{"element":[{"id":"x","path":"A.b","sliceName":"x"}]}}`, `{"differential":{"element":[{"id":"x","path":"A","sliceName":"x"}]}}`},
	{"sev-1", "AuditEvent.entity", `{"name":"x"}`, `{"name":"x","query":"AA=="}`},
	{"smp-1", "StructureMap.group.rule.target", `{"element":"x","context":"y","contextType":"type"}`, `{"element":"x"}`},
	{"smp-2", "StructureMap.group.rule.target", `{"context":"y","contextType":"type"}`, `{"context":"y"}`},
	{"spd-1", "SearchParameter", `{"xpath":"x","xpathUsage":"normal"}`, `{"xpath":"x"}`},
	{"spd-2", "SearchParameter", `{"type":"reference","chain":["x"]}`, `{"type":"string","chain":["x"]}`},
	{"tcp-1", "TerminologyCapabilities.codeSystem", `{"version":[{"code":"a"},{"code":"b"}]}`, `{"version":[{"code":"a"},{"isDefault":true}]}`},
	{"tcp-1", "TerminologyCapabilities.codeSystem", `{"version":[{"isDefault":true}]}`, `{"version":[{},{"code":"a"}]}`},
	{"tcp-2", "TerminologyCapabilities", `{"description":"x"}`, `{"status":"active"}`},
	{"tcp-3", "TerminologyCapabilities", `{"kind":"instance","implementation":{}}`, `{"kind":"instance"}`},
	{"tcp-4", "TerminologyCapabilities", `{"kind":"capability","software":{}}`, `{"kind":"capability"}`},
	{"tcp-5", "TerminologyCapabilities", `{"kind":"requirements","description":"x"}`, `{"kind":"requirements","implementation":{}}`},
	{"tst-1", "TestScript.setup.action", `{"assert":{}}`, `{"operation":{},"assert":{}}`},
	{"tst-2", "TestScript.test.action", `{"operation":{}}`, `{"id":"x"}`},
	{"tst-3", "TestScript.variable", `{"expression":"a","headerField":"b"}`, `{"expression":"a","headerField":"b","path":"c"}`},
	{"tst-4", "TestScript.metadata", `{"capability":[{"required":true}]}`, `{"capability":[{"description":"x"}]}`},
	{"tst-5", "TestScript.setup.action.assert", `{"expression":"a"}`, `{"expression":"a","path":"b","resource":"c"}`},
	{"tst-5", "TestScript.setup.action.assert", `{"extension":[{}],"expression":"a","path":"b"}`, `{"response":"okay","validateProfileId":"b"}`},
	{"tst-7", "TestScript.setup.action.operation", `{"sourceId":"x","url":"a","params":"b"}`, `{"url":"a","params":"b"}`},
	{"tst-7", "TestScript.setup.action.operation", `{"type":{"code":"search"}}`, `{"type":{"code":"read"}}`},
	{"tst-10", "TestScript.setup.action.assert", `{"compareToSourceId":"a","compareToSourcePath":"b"}`, `{"compareToSourceId":"a"}`},
	{"tst-10", "TestScript.setup.action.assert", `{"operator":"equals"}`, `{"compareToSourcePath":"b"}`},
	{"tst-12", "TestScript.setup.action.assert", `{"direction":"response","response":"okay"}`, `{"direction":"request","response":"okay"}`},
	{"vsd-1", "ValueSet.compose.include", `{"valueSet":["x"]}`, `{"version":"x"}`},
	{"vsd-2", "ValueSet.compose.include", `{"concept":[{}],"system":"x"}`, `{"filter":[{}],"valueSet":["x"]}`},
	{"vsd-3", "ValueSet.compose.include", `{"filter":[{}],"system":"x"}`, `{"filter":[{}],"concept":[{}],"system":"x"}`},
	{"vsd-6", "ValueSet.expansion.contains", `{"display":"x","abstract":true}`, `{"abstract":true}`},
	{"vsd-9", "ValueSet.expansion.contains", `{"display":"x","abstract":true}`, `{"display":"x"}`},
	{"vsd-10", "ValueSet.expansion.contains", `{"code":"x","system":"y"}`, `{"code":"x"}`},
}

func TestRules(t *testing.T) {
	t.Parallel()
	d := definitions(t)
	s, err := New(d)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		t.Run(c.key+" "+c.typ, func(t *testing.T) {
			typ := d.Type(c.typ)
			if typ == nil {
				t.Fatal("no such type")
			}
			if got := read(d, []byte(c.good), 0, typ).check(s); len(got) > 0 {
				t.Errorf("good: %s: got %v", c.good, got)
			}
			if got := read(d, []byte(c.bad), 0, typ).check(s); !slices.Contains(got, c.key) {
				t.Errorf("bad: %s: got %v", c.bad, got)
			} else if len(slices.Compact(slices.Clone(got))) != len(got) {
				t.Errorf("bad: %s: got %v, want each once", c.bad, got)
			}
		})
	}
}

// TestCoverage: every constraint has a rule, or is checked elsewhere, or has a reason why
// not; and every rule has its cases.
func TestCoverage(t *testing.T) {
	t.Parallel()
	d := definitions(t)
	book := newBook()
	used := map[string]bool{}
	for _, c := range CoverageOf(d) {
		name := c.Constraint.Key + " of " + c.Type.Name
		_, hasRule := book.rule(c.Constraint)
		used[c.Constraint.Expression], used[c.Constraint.Key] = true, true
		if c.Checked == (c.Note != "") && elsewhere()[c.Constraint.Key] == "" {
			t.Errorf("%s: checked %v with note %q", name, c.Checked, c.Note)
		}
		if hasRule && c.Note != "" {
			t.Errorf("%s has a rule and a note: %s", name, c.Note)
		}
		if hasRule && !slices.ContainsFunc(cases, func(k struct{ key, typ, good, bad string }) bool {
			return k.key == c.Constraint.Key && (k.typ == c.Type.Name || k.key != "inv-1")
		}) && !isNameConvention(c.Constraint.Key) {
			t.Errorf("%s has no case", name)
		}
		if hasRule && c.Constraint.Key == "dom-6" {
			t.Errorf("dom-6 is never reported")
		}
	}
	for expression := range book {
		if !used[expression] {
			t.Errorf("no constraint has the expression of a rule: %s", expression)
		}
	}
	for key := range notChecked() {
		if key != "dom-6" && !used[key] {
			t.Errorf("no constraint has the key of a reason: %s", key)
		}
	}
}

// isNameConvention reports whether a key is of the constraint on names that many types have.
func isNameConvention(key string) bool { return len(key) > 2 && key[len(key)-2:] == "-0" }
