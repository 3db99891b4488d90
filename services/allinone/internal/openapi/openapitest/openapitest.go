// Package openapitest compares what a server was asked and answered with an OpenAPI document, by a library that
// knows nothing of how the document was made. It is for tests.
package openapitest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/pb33f/libopenapi"
	"github.com/pb33f/libopenapi-validator/config"
	problems "github.com/pb33f/libopenapi-validator/errors"
	"github.com/pb33f/libopenapi-validator/requests"
	"github.com/pb33f/libopenapi-validator/responses"
	"github.com/pb33f/libopenapi-validator/schema_validation"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
)

// Checker has a document that was found to be one.
type Checker struct {
	model     *v3.Document
	requests  requests.RequestBodyValidator
	responses responses.ResponseBodyValidator
}

// New checks a document against the specification's schema.
func New(document []byte) (*Checker, error) {
	parsed, err := libopenapi.NewDocument(document)
	if err != nil {
		return nil, fmt.Errorf("the OpenAPI document: %w", err)
	}
	if ok, found := schema_validation.ValidateOpenAPIDocument(parsed); !ok {
		return nil, fmt.Errorf("the OpenAPI document is none: %w", joined(found))
	}
	model, err := parsed.BuildV3Model()
	if err != nil {
		return nil, fmt.Errorf("the OpenAPI document: %w", err)
	}
	strict := config.WithFormatAssertions()
	return &Checker{&model.Model, requests.NewRequestBodyValidator(&model.Model, strict), responses.NewResponseBodyValidator(&model.Model, strict)}, nil
}

// Operations are all that the document has, each as a pattern of [http.ServeMux].
func (c *Checker) Operations() (patterns []string) {
	for path, item := range c.model.Paths.PathItems.FromOldest() {
		for method := range item.GetOperations().FromOldest() {
			patterns = append(patterns, strings.ToUpper(method)+" "+path)
		}
	}
	return patterns
}

// Exchange is a request and how it was answered, with both bodies as they were sent.
type Exchange struct {
	Request *http.Request // its Pattern names the operation
	Sent    []byte
	Status  int
	Header  http.Header
	Body    []byte
}

// Check reports how an exchange differs from the document: a status, a media type or a body that it does not have,
// or, of a request that was not refused, a body or a parameter of the query.
func (c *Checker) Check(e Exchange) error {
	method, path, _ := strings.Cut(e.Request.Pattern, " ")
	item := c.model.Paths.PathItems.GetOrZero(path)
	if item == nil || item.GetOperations().GetOrZero(strings.ToLower(method)) == nil {
		return fmt.Errorf("%s is not in the document", e.Request.Pattern)
	}
	r := e.Request.Clone(e.Request.Context())
	r.Method = method
	resp := &http.Response{StatusCode: e.Status, Header: e.Header, Body: io.NopCloser(bytes.NewReader(e.Body)), Request: r}
	if ok, found := c.responses.ValidateResponseBodyWithPathItem(r, resp, item, path); !ok {
		return fmt.Errorf("answer %d to %s: %w: %.500s", e.Status, e.Request.Pattern, joined(found), e.Body)
	}
	if e.Status >= http.StatusBadRequest {
		return nil
	}
	op := item.GetOperations().GetOrZero(strings.ToLower(method))
	for name := range r.URL.Query() {
		known := false
		for _, p := range op.Parameters {
			known = known || p.In == "query" && p.Name == name
		}
		if !known {
			return fmt.Errorf("%s was not refused with %s in its query, which is not in the document", e.Request.Pattern, name)
		}
	}
	if op.RequestBody == nil || !strings.Contains(r.Header.Get("Content-Type"), "json") {
		return nil
	}
	r.Body = io.NopCloser(bytes.NewReader(e.Sent))
	if ok, found := c.requests.ValidateRequestBodyWithPathItem(r, item, path); !ok {
		return fmt.Errorf("%s was answered %d, and the document does not allow it: %w: %.500s", e.Request.Pattern, e.Status, joined(found), e.Sent)
	}
	return nil
}

func joined(list []*problems.ValidationError) error {
	var errs []error
	for _, p := range list {
		errs = append(errs, fmt.Errorf("%s: %s", p.Message, p.Reason))
		for _, s := range p.SchemaValidationErrors {
			errs = append(errs, s)
		}
	}
	return errors.Join(errs...)
}
