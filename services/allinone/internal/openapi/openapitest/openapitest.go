// Package openapitest compares what a server was asked and answered with an OpenAPI document (OpenAPI 3.1.1, whose
// schemas are those of JSON Schema 2020-12), by a library that knows nothing of how the document was made. It is
// for tests.
package openapitest

import (
	"bytes"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// name is what the document is called among schemas.
const name = "https://stoker.invalid/openapi.json"

// Checker has a document, of which every schema was compiled.
type Checker struct {
	document map[string]any
	schemas  map[string]*jsonschema.Schema // by their place in the document, a JSON pointer
}

// New reads a document and compiles its schemas.
func New(document []byte) (*Checker, error) {
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		return nil, fmt.Errorf("the OpenAPI document: %w", err)
	}
	root, _ := parsed.(map[string]any)
	if version, _ := root["openapi"].(string); !strings.HasPrefix(version, "3.1.") {
		return nil, fmt.Errorf("the OpenAPI document is of version %q, not 3.1", version)
	}
	c := &Checker{root, map[string]*jsonschema.Schema{}}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	compiler.AssertFormat()
	if err := compiler.AddResource(name, parsed); err != nil {
		return nil, fmt.Errorf("the OpenAPI document: %w", err)
	}
	return c, c.compile(compiler, "", root)
}

// compile compiles what is called schema below a node.
func (c *Checker) compile(compiler *jsonschema.Compiler, at string, node any) (err error) {
	switch node := node.(type) {
	case map[string]any:
		for key, value := range node {
			place := at + "/" + escape(key)
			if key == "schema" {
				if c.schemas[place], err = compiler.Compile(name + "#" + place); err != nil {
					return fmt.Errorf("%s of the OpenAPI document: %w", place, err)
				}
				continue
			}
			if err := c.compile(compiler, place, value); err != nil {
				return err
			}
		}
	case []any:
		for i, value := range node {
			if err := c.compile(compiler, fmt.Sprint(at, "/", i), value); err != nil {
				return err
			}
		}
	}
	return nil
}

// escape is a key as a part of a JSON pointer in a URL.
func escape(key string) string {
	return strings.NewReplacer("~", "~0", "/", "~1", "%", "%25", "{", "%7B", "}", "%7D", "$", "%24", " ", "%20").Replace(key)
}

// at is what a JSON pointer leads to, and where that is: a reference leads on.
func (c *Checker) at(keys ...string) (node map[string]any, place string) {
	node = c.document
	for _, key := range keys {
		node, _ = node[key].(map[string]any)
		place += "/" + escape(key)
		if ref, ok := node["$ref"].(string); ok {
			node, place = c.at(strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
		}
	}
	return node, place
}

// Operations are all that the document has, each as a pattern of [http.ServeMux].
func (c *Checker) Operations() (patterns []string) {
	paths, _ := c.at("paths")
	for path, item := range paths {
		for method := range item.(map[string]any) {
			if method != "parameters" {
				patterns = append(patterns, strings.ToUpper(method)+" "+path)
			}
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
	method = strings.ToLower(method)
	operation, _ := c.at("paths", path, method)
	if operation == nil {
		return fmt.Errorf("%s is not in the document", e.Request.Pattern)
	}
	response, place := c.at("paths", path, method, "responses", fmt.Sprint(e.Status))
	if response == nil {
		if response, place = c.at("paths", path, method, "responses", "default"); response == nil {
			return fmt.Errorf("%s was answered %d, which is not in the document: %.500s", e.Request.Pattern, e.Status, e.Body)
		}
	}
	sent := e.Body
	if method == "head" {
		sent = nil // a server does not send it
	}
	if err := c.body(response, place, e.Header, sent); err != nil {
		return fmt.Errorf("answer %d to %s: %w: %.500s", e.Status, e.Request.Pattern, err, e.Body)
	}
	if e.Status >= http.StatusBadRequest {
		return nil
	}
	for name := range e.Request.URL.Query() {
		if !c.hasQuery(operation, name) {
			return fmt.Errorf("%s was not refused with %s in its query, which is not in the document", e.Request.Pattern, name)
		}
	}
	request, place := c.at("paths", path, method, "requestBody")
	if request == nil || !strings.Contains(e.Request.Header.Get("Content-Type"), "json") {
		return nil
	}
	if err := c.body(request, place, e.Request.Header, e.Sent); err != nil {
		return fmt.Errorf("%s was answered %d, and the document does not allow it: %w: %.500s", e.Request.Pattern, e.Status, err, e.Sent)
	}
	return nil
}

func (c *Checker) hasQuery(operation map[string]any, name string) bool {
	parameters, _ := operation["parameters"].([]any)
	return slices.ContainsFunc(parameters, func(p any) bool {
		parameter, _ := p.(map[string]any)
		if ref, ok := parameter["$ref"].(string); ok {
			parameter, _ = c.at(strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
		}
		return parameter["in"] == "query" && parameter["name"] == name
	})
}

// body compares a body with the content that a request or a response has at a place of the document.
func (c *Checker) body(of map[string]any, place string, header http.Header, body []byte) error {
	content, _ := of["content"].(map[string]any)
	if len(body) == 0 || len(content) == 0 {
		if len(body) > 0 {
			return errors.New("it has a body, and in the document none")
		}
		return nil
	}
	media, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil {
		return fmt.Errorf("its media type %q: %w", header.Get("Content-Type"), err)
	}
	if _, ok := content[media]; !ok {
		return fmt.Errorf("its media type %s is not in the document", media)
	}
	schema := c.schemas[place+"/content/"+escape(media)+"/schema"]
	if schema == nil || !strings.HasSuffix(media, "json") {
		return nil
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return err
	}
	return schema.Validate(value)
}
