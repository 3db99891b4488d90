package config

import (
	"fmt"
	"reflect"
	"strings"
	"time"
)

// field is a setting: a field of a struct with the tag env.
type field struct {
	value    reflect.Value
	sf       reflect.StructField
	prefix   string // of the structs around it
	key      string // the variable's full name
	alias    string
	required bool
}

// fieldsOf lists the settings of the struct that v points to, in order.
func fieldsOf(v any) ([]field, error) {
	p := reflect.ValueOf(v)
	if p.Kind() != reflect.Pointer || p.IsNil() || p.Elem().Kind() != reflect.Struct {
		return nil, fmt.Errorf("settings of type %T: want a pointer to a struct", v)
	}
	return appendFields(nil, p.Elem(), ""), nil
}

func appendFields(fields []field, v reflect.Value, prefix string) []field {
	for i := range v.NumField() {
		sf := v.Type().Field(i)
		if isNested(sf) {
			fields = appendFields(fields, v.Field(i), prefix+sf.Tag.Get("envPrefix"))
			continue
		}
		name, options, _ := strings.Cut(sf.Tag.Get("env"), ",")
		if !sf.IsExported() || name == "" || name == "-" {
			continue
		}
		fields = append(fields, field{
			value: v.Field(i), sf: sf, prefix: prefix, key: prefix + name, alias: sf.Tag.Get("envAlias"),
			required: strings.Contains(options, "required") || strings.Contains(options, "notEmpty"),
		})
	}
	return fields
}

// isNested tells a struct of settings from a setting.
func isNested(sf reflect.StructField) bool {
	return sf.IsExported() && sf.Type.Kind() == reflect.Struct && sf.Tag.Get("env") == ""
}

// typeName is a type for people.
func typeName(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[Secret]():
		return "secret"
	case t == reflect.TypeFor[time.Duration]():
		return "duration"
	case t.Kind() == reflect.Slice:
		return "list of " + typeName(t.Elem())
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.String:
		return "text"
	case t.Kind() >= reflect.Int && t.Kind() <= reflect.Uint64:
		return "whole number"
	case t.Kind() == reflect.Float32 || t.Kind() == reflect.Float64:
		return "number"
	default:
		return t.String()
	}
}
