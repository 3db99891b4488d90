package api

import (
	"net/http"

	"github.com/stoker-fhir/stoker/pkg/smart"
)

// capabilitiesDate is when what is offered changed last.
const capabilitiesDate = "2026-11-28"

const (
	importDefinition = "https://stoker-fhir.github.io/fhir/OperationDefinition/import"
	bulkDefinitions  = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/" // of HL7
)

// capabilities is a CapabilityStatement (https://hl7.org/fhir/R4/capabilitystatement.html) of what there is, and
// of nothing else: Stoker is no FHIR server that resources could be read from.
func capabilities(url, openAPIURL, tokenURL string) map[string]any {
	return map[string]any{
		"resourceType": "CapabilityStatement",
		"status":       "active",
		"date":         capabilitiesDate,
		"kind":         "instance",
		"software":     map[string]any{"name": "Stoker"},
		"implementation": map[string]any{
			"description": "Takes FHIR resources in bulk by $import and $bulk-submit; nothing is read or searched here", "url": url,
		},
		"fhirVersion": "4.0.1",
		"format":      []string{typeFHIR},
		"rest": []map[string]any{{
			"mode": "server",
			"documentation": "$import takes the ping and pull form (exportUrl with exportType dynamic, by which the export is asked for, or static) and the manifest form, and answers by the asynchronous pattern. " +
				"$bulk-submit and $bulk-submit-status take the words of the ballot (4.0.0-ballot) and of the draft before it; encrypted files are not taken. " +
				"POST [base]/[dataset] takes one resource or Bundle, which is imported. All of the HTTP interface is in " + openAPIURL + ".",
			"security": security(tokenURL),
			"operation": []map[string]any{
				{"name": "import", "definition": importDefinition},
				{"name": "bulk-submit", "definition": bulkDefinitions + "bulk-submit"},
				{"name": "bulk-submit-status", "definition": bulkDefinitions + "bulk-submit-status"},
			},
		}},
	}
}

// security tells how suppliers prove who they are; a token URL of "" is that none is given out here.
func security(tokenURL string) map[string]any {
	if tokenURL == "" {
		return map[string]any{"description": "A bearer token that the operator has made for the supplier"}
	}
	return map[string]any{
		"description": "SMART Backend Services, or a bearer token that the operator has made for the supplier",
		"service":     []map[string]any{{"coding": []map[string]any{{"system": "http://terminology.hl7.org/CodeSystem/restful-security-service", "code": "SMART-on-FHIR"}}}},
		"extension": []map[string]any{{
			"url":       smart.ExtensionOAuth,
			"extension": []map[string]any{{"url": "token", "valueUri": tokenURL}},
		}},
	}
}

func (s *Server) fhirMetadata(w http.ResponseWriter, r *http.Request) {
	base := fhirBase
	if dataset := r.PathValue("dataset"); dataset != "" {
		base += "/" + dataset
	}
	tokenURL, _ := s.tokenURL(r)
	document := s.absolute(r, openAPIPath)
	w.Header().Set("Link", "<"+document+`>; rel="service-desc"; type="application/json"`) // RFC 8631
	replyFHIR(w, http.StatusOK, capabilities(s.absolute(r, base), document, tokenURL))
}
