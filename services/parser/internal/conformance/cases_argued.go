package conformance

// disputedCases are the cases of HL7's validator whose recorded outcome is not that of FHIR
// R4, with the words of the specification.
var disputedCases = arguments{
	"validator/obs-decimal.json": "disputed: judged by R5, whose decimals have at most 18 digits. R4's have no such limit: \"-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?\" (datatypes.html#decimal)",
}
