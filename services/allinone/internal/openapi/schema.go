package openapi

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Schema is a JSON Schema (2020-12). The zero Schema allows anything.
type Schema struct {
	Ref         string             `json:"$ref,omitempty"`
	Type        any                `json:"type,omitempty"` // string, or []string where it may be null
	Format      string             `json:"format,omitempty"`
	Pattern     string             `json:"pattern,omitempty"`
	Const       string             `json:"const,omitempty"`
	Enum        []string           `json:"enum,omitempty"`
	Minimum     *int64             `json:"minimum,omitempty"`
	Maximum     *int64             `json:"maximum,omitempty"`
	MaxLength   int                `json:"maxLength,omitempty"`
	MinItems    int                `json:"minItems,omitempty"`
	Items       *Schema            `json:"items,omitempty"`
	Properties  map[string]*Schema `json:"properties,omitempty"`
	Required    []string           `json:"required,omitempty"`
	Additional  any                `json:"additionalProperties,omitempty"` // *Schema, or false
	AnyOf       []*Schema          `json:"anyOf,omitempty"`
	Description string             `json:"description,omitempty"`
}

// Schemas makes schemas of Go types, as encoding/json encodes them. A struct with a name becomes a component. What
// goes wrong is in Err after all were made.
type Schemas struct {
	Components map[string]*Schema
	Known      map[reflect.Type]*Schema // instead of what would be made
	Names      map[reflect.Type]string  // of components, where the type's own is another one's too
	Err        error

	of map[string]reflect.Type
}

// Answer returns the schema of a value that is encoded: what is always there is required.
func (s *Schemas) Answer(v any) *Schema { return s.schema(reflect.TypeOf(v), false) }

// Request returns the schema of a value that is decoded: nothing is required.
func (s *Schemas) Request(v any) *Schema { return s.schema(reflect.TypeOf(v), true) }

var (
	typeTime = reflect.TypeFor[time.Time]()
	typeRaw  = reflect.TypeFor[json.RawMessage]()
	typeText = reflect.TypeFor[encoding.TextMarshaler]()
)

func (s *Schemas) schema(t reflect.Type, request bool) *Schema {
	if known := s.Known[t]; known != nil {
		return known
	}
	switch t {
	case typeTime:
		return &Schema{Type: "string", Format: "date-time"}
	case typeRaw:
		return &Schema{}
	}
	if t.Kind() != reflect.Pointer && t.Implements(typeText) {
		return &Schema{Type: "string"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return s.schema(t.Elem(), request)
	case reflect.Bool:
		return &Schema{Type: "boolean"}
	case reflect.String:
		return &Schema{Type: "string"}
	case reflect.Int32:
		return &Schema{Type: "integer", Format: "int32"}
	case reflect.Int, reflect.Int64:
		return &Schema{Type: "integer", Format: "int64"}
	case reflect.Uint, reflect.Uint32, reflect.Uint64:
		return &Schema{Type: "integer", Minimum: new(int64)}
	case reflect.Float64:
		return &Schema{Type: "number"}
	case reflect.Slice:
		return &Schema{Type: "array", Items: s.schema(t.Elem(), request)}
	case reflect.Map:
		return &Schema{Type: "object", Additional: s.schema(t.Elem(), request)}
	case reflect.Interface:
		return &Schema{}
	case reflect.Struct:
		if t.Name() == "" || t.NumField() == 0 {
			return s.object(t, request)
		}
		return s.component(t, request)
	default:
		s.fail("no schema is known of %s", t)
		return &Schema{}
	}
}

func (s *Schemas) component(t reflect.Type, request bool) *Schema {
	name := s.Names[t]
	if name == "" {
		name = strings.ToUpper(t.Name()[:1]) + t.Name()[1:]
	}
	if request {
		name = strings.TrimSuffix(name, "Request") + "Request"
	}
	ref := &Schema{Ref: "#/components/schemas/" + name}
	if other, made := s.of[name]; made {
		if other != t {
			s.fail("%s and %s are both called %s", other, t, name)
		}
		return ref
	}
	if s.of == nil {
		s.of, s.Components = map[string]reflect.Type{}, map[string]*Schema{}
	}
	s.of[name] = t // before its fields, which may be of the type itself
	s.Components[name] = s.object(t, request)
	return ref
}

func (s *Schemas) object(t reflect.Type, request bool) *Schema {
	o := &Schema{Type: "object", Properties: map[string]*Schema{}}
	s.fields(o, t, request)
	slices.Sort(o.Required)
	return o
}

// fields adds the fields of a struct, those of embedded ones included; an outer one counts before an inner one.
func (s *Schemas) fields(o *Schema, t reflect.Type, request bool) {
	var embedded []reflect.Type
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "":
			embedded = append(embedded, f.Type)
			continue
		case !f.IsExported(), name == "-":
			continue
		case name == "":
			s.fail("%s.%s has no name in JSON", t, f.Name)
			continue
		}
		if o.Properties[name] != nil {
			continue
		}
		field, mayLack := s.schema(f.Type, request), strings.Contains(options, "omit")
		if nils := f.Type.Kind(); !mayLack && !request && (nils == reflect.Pointer || nils == reflect.Slice || nils == reflect.Map) && f.Type != typeRaw {
			field = orNull(field)
		}
		o.Properties[name] = field
		if !mayLack && !request {
			o.Required = append(o.Required, name)
		}
	}
	for _, e := range embedded {
		s.fields(o, e, request)
	}
}

func orNull(s *Schema) *Schema {
	if kind, ok := s.Type.(string); ok {
		nullable := *s
		nullable.Type = []string{kind, "null"}
		return &nullable
	}
	return &Schema{AnyOf: []*Schema{s, {Type: "null"}}}
}

func (s *Schemas) fail(format string, args ...any) {
	if s.Err == nil {
		s.Err = fmt.Errorf("OpenAPI: "+format, args...)
	}
}
