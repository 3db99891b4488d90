// Package openapi is the model of an OpenAPI document (https://spec.openapis.org/oas/v3.1.1), as far as the HTTP
// interface needs it, and makes JSON Schemas of the Go types that requests and answers are made of, so that what the
// document says of them is what is encoded.
//
// It knows nothing of the interface: [github.com/stoker-fhir/stoker/services/allinone/internal/api] declares its
// routes as data and makes the document of them.
package openapi
