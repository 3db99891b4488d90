package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
)

// fhirBase is where the interface speaks FHIR.
const fhirBase = "/fhir"

const typeFHIR = "application/fhir+json"

// operationOutcome is an answer that is no resource or manifest
// (https://hl7.org/fhir/R4/operationoutcome.html).
type operationOutcome struct {
	ResourceType string         `json:"resourceType"`
	Issue        []outcomeIssue `json:"issue"`
}

type outcomeIssue struct {
	Severity    string `json:"severity"`
	Code        string `json:"code"`
	Diagnostics string `json:"diagnostics"`
}

func errorOutcome(code string, diagnostics ...string) operationOutcome {
	o := operationOutcome{ResourceType: "OperationOutcome"}
	for _, d := range diagnostics {
		o.Issue = append(o.Issue, outcomeIssue{Severity: "error", Code: code, Diagnostics: d})
	}
	return o
}

func replyFHIR(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", typeFHIR)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client went away; there is nobody to tell
}

// issueCode is FHIR's code for a status of HTTP (https://hl7.org/fhir/R4/valueset-issue-type.html). Who polls
// goes on where it is transient (Bulk Data Access IG).
func issueCode(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "login"
	case http.StatusForbidden:
		return "forbidden"
	case http.StatusNotFound, http.StatusGone:
		return "not-found"
	case http.StatusMethodNotAllowed, http.StatusUnsupportedMediaType:
		return "not-supported"
	case http.StatusConflict:
		return "conflict"
	case http.StatusRequestEntityTooLarge:
		return "too-long"
	case http.StatusUnprocessableEntity:
		return "business-rule"
	case http.StatusTooManyRequests:
		return "throttled"
	case http.StatusServiceUnavailable:
		return "transient"
	case http.StatusInternalServerError:
		return "exception"
	default:
		return "invalid"
	}
}

// withOutcomes has what goes wrong below [fhirBase] answered as OperationOutcome, wherever in the
// interface the error comes from.
func withOutcomes(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, fhirBase+"/") {
			next.ServeHTTP(w, r)
			return
		}
		o := &outcomeWriter{ResponseWriter: w}
		next.ServeHTTP(o, r)
		o.finish()
	})
}

// outcomeWriter holds back answers that are errors in another form than FHIR's.
type outcomeWriter struct {
	http.ResponseWriter
	failed int // its status; 0: none
	text   bytes.Buffer
}

// WriteHeader implements [http.ResponseWriter].
func (o *outcomeWriter) WriteHeader(status int) {
	if status >= http.StatusBadRequest && o.Header().Get("Content-Type") != typeFHIR {
		o.failed = status
		return
	}
	o.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (o *outcomeWriter) Write(b []byte) (int, error) {
	if o.failed != 0 {
		return o.text.Write(b)
	}
	return o.ResponseWriter.Write(b)
}

// Unwrap is for [http.ResponseController].
func (o *outcomeWriter) Unwrap() http.ResponseWriter { return o.ResponseWriter }

func (o *outcomeWriter) finish() {
	if o.failed == 0 {
		return
	}
	var p Problem
	if json.Unmarshal(o.text.Bytes(), &p) != nil || p.Error == "" {
		p.Error = strings.TrimSpace(o.text.String())
	}
	o.Header().Del("Content-Length")
	replyFHIR(o.ResponseWriter, o.failed, errorOutcome(issueCode(o.failed), p.Error))
}
