package api

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"testing"

	"github.com/stoker-fhir/stoker/services/allinone/internal/openapi/openapitest"
)

// documented is the OpenAPI document, by which all that the tests ask and are answered is checked.
var documented = sync.OnceValues(func() (*openapitest.Checker, error) {
	doc, err := OpenAPI()
	if err != nil {
		return nil, err
	}
	return openapitest.New(doc)
})

// checkedAll has the test fail where an exchange differs from the OpenAPI document.
func checkedAll(t *testing.T, next http.Handler) http.Handler {
	checker, err := documented()
	check(t, err)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var sent bytes.Buffer
		asked := r.Body
		r.Body = struct {
			io.Reader
			io.Closer
		}{io.TeeReader(asked, &sent), asked}
		seen := &recorder{ResponseWriter: w}
		next.ServeHTTP(seen, r)
		if r.Pattern == "/" || r.Pattern == fhirBase+"/" || r.Pattern == "" {
			return // no operation: it has no such path, or none of that method
		}
		if r.Method == http.MethodPost && r.Header.Get("Content-Type") == "" && json.Valid(sent.Bytes()) {
			r.Header.Set("Content-Type", typeJSON) // a body is read as JSON without it, too
		}
		status := seen.status
		if status == 0 { // nothing was written
			status = http.StatusOK
		}
		e := openapitest.Exchange{Request: r, Sent: sent.Bytes(), Status: status, Header: w.Header(), Body: seen.body.Bytes()}
		if err := checker.Check(e); err != nil {
			t.Errorf("the OpenAPI document differs: %v", err)
		}
		if w.Header().Get("Content-Type") != typeNDJSON || r.URL.Query().Get("lines") == "1" {
			return
		}
		for line := range bytes.Lines(seen.body.Bytes()) {
			var o operationOutcome
			if err := json.Unmarshal(line, &o); err != nil || o.ResourceType != "OperationOutcome" || len(o.Issue) == 0 || o.Issue[0].Severity == "" || o.Issue[0].Code == "" {
				t.Errorf("a line is no OperationOutcome (%v): %s", err, line)
			}
		}
	})
}
