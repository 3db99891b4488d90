package openapi

// Version is the version of the specification.
const Version = "3.1.1"

// Document describes an HTTP interface.
type Document struct {
	OpenAPI    string          `json:"openapi"`
	Info       Info            `json:"info"`
	Servers    []Server        `json:"servers"`
	Tags       []Tag           `json:"tags"`
	Paths      map[string]Path `json:"paths"`
	Components Components      `json:"components"`
}

// Info tells what the interface is.
type Info struct {
	Title       string `json:"title"`
	Version     string `json:"version"`
	Description string `json:"description"` // Markdown, as all descriptions
	License     struct {
		Name       string `json:"name"`
		Identifier string `json:"identifier"` // of SPDX
	} `json:"license"`
}

// Server is where the interface is.
type Server struct {
	URL string `json:"url"`
}

// Tag is a part of the interface.
type Tag struct {
	Name        string        `json:"name"`
	Description string        `json:"description"`
	Docs        *ExternalDocs `json:"externalDocs,omitempty"`
}

// ExternalDocs is a page about something.
type ExternalDocs struct {
	URL string `json:"url"`
}

// Path has operations by method, in lower case.
type Path map[string]*Operation

// Operation is a method on a path.
type Operation struct {
	ID          string                `json:"operationId"`
	Tags        []string              `json:"tags"`
	Summary     string                `json:"summary"`
	Description string                `json:"description,omitempty"`
	Parameters  []Parameter           `json:"parameters,omitempty"`
	Body        *RequestBody          `json:"requestBody,omitempty"`
	Answers     map[string]Answer     `json:"responses"` // by status
	Security    []SecurityRequirement `json:"security"`  // any one of them
}

// Parameter is a part of a path or a query, or a header. All of a path are required.
type Parameter struct {
	Name        string  `json:"name"`
	In          string  `json:"in"`
	Description string  `json:"description,omitempty"`
	Required    bool    `json:"required,omitempty"`
	Schema      *Schema `json:"schema"`
}

// RequestBody is what a request has.
type RequestBody struct {
	Description string           `json:"description,omitempty"`
	Required    bool             `json:"required"`
	Content     map[string]Media `json:"content"` // by media type
}

// Media is a body of one media type.
type Media struct {
	Schema *Schema `json:"schema,omitempty"`
}

// Answer is what a request may be answered with.
type Answer struct {
	Ref         string            `json:"$ref,omitempty"` // to one of the components; then it has nothing else
	Description string            `json:"description,omitempty"`
	Headers     map[string]Header `json:"headers,omitempty"`
	Content     map[string]Media  `json:"content,omitempty"`
}

// Header is one of an answer.
type Header struct {
	Description string  `json:"description"`
	Schema      *Schema `json:"schema"`
}

// Components are what operations refer to.
type Components struct {
	Schemas         map[string]*Schema        `json:"schemas"`
	Answers         map[string]Answer         `json:"responses"`
	SecuritySchemes map[string]SecurityScheme `json:"securitySchemes"`
}

// SecurityScheme is a way to prove who asks.
type SecurityScheme struct {
	Type        string `json:"type"`
	Scheme      string `json:"scheme,omitempty"`
	Description string `json:"description"`
	Flows       *Flows `json:"flows,omitempty"`
}

// Flows are how tokens are got.
type Flows struct {
	ClientCredentials Flow `json:"clientCredentials"`
}

// Flow is one of them.
type Flow struct {
	TokenURL string            `json:"tokenUrl"`
	Scopes   map[string]string `json:"scopes"`
}

// SecurityRequirement names schemes, with the scopes that are needed.
type SecurityRequirement map[string][]string
