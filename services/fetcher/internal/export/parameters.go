package export

import (
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// commaLists are parameters that have all their values in one, separated by commas, where they are in a URL. Values
// of _typeFilter may have commas themselves, so each is by itself.
var commaLists = []string{fhirmsg.ExportType, fhirmsg.ExportElements, "includeAssociatedData"}

// query is what is asked for, in a URL.
func query(e fhirmsg.Export) string {
	q := url.Values{}
	for _, p := range e.Parameters {
		switch {
		case !slices.Contains(commaLists, p.Name):
			q.Add(p.Name, p.Value)
		case !q.Has(p.Name):
			q.Set(p.Name, strings.Join(e.List(p.Name), ","))
		}
	}
	return q.Encode()
}

// body is what is asked for as a resource Parameters, without comma lists, as version 4 wants it.
func body(e fhirmsg.Export) []byte {
	type parameter map[string]any
	var list []parameter
	for _, p := range e.Parameters {
		values := []string{p.Value}
		if slices.Contains(commaLists, p.Name) {
			one := fhirmsg.Export{Parameters: []fhirmsg.ExportParameter{p}}
			values = one.List(p.Name)
		}
		for _, v := range values {
			name, value := typed(p.Name, v)
			list = append(list, parameter{"name": p.Name, name: value})
		}
	}
	resource := map[string]any{"resourceType": "Parameters"}
	if len(list) > 0 {
		resource["parameter"] = list
	}
	b, err := json.Marshal(resource)
	if err != nil { // strings and booleans only
		return nil
	}
	return b
}

// typed is a value by the type that the specification's OperationDefinition gives to its parameter.
func typed(name, value string) (member string, v any) {
	switch name {
	case fhirmsg.ExportSince, fhirmsg.ExportUntil:
		return "valueInstant", value
	case fhirmsg.ExportPatient:
		return "valueReference", map[string]string{"reference": value}
	case "includeAssociatedData":
		return "valueCode", value
	case "allowPartialManifests":
		if b, err := strconv.ParseBool(value); err == nil {
			return "valueBoolean", b
		}
	}
	return "valueString", value
}
