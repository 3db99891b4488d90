package config

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/caarlos0/env/v11"
)

// fileSuffix is at the end of the variable that names a secret's file.
const fileSuffix = "_FILE"

// Load fills the struct that into points to from environ, whose entries have the form
// of [os.Environ]. An empty variable counts as not set. Fields that are neither set nor
// have a default keep their value. The error joins everything that is wrong, and holds no
// secret.
func Load(into any, environ []string) error {
	fields, err := fieldsOf(into)
	if err != nil {
		return err
	}
	vars := variables(environ)
	var problems []error
	for _, f := range fields {
		if err := f.load(vars); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", f.key, err))
		}
	}
	if len(problems) > 0 {
		// Validate would complain about what could not be read a second time.
		return errors.Join(problems...)
	}
	return errors.Join(validate(reflect.ValueOf(into).Elem())...)
}

// load sets one field.
func (f field) load(vars map[string]string) error {
	if f.sf.Type == reflect.TypeFor[Secret]() && vars[f.key+fileSuffix] != "" {
		if vars[f.key] != "" {
			return fmt.Errorf("set it or %s%s, not both", f.key, fileSuffix)
		}
		content, err := os.ReadFile(vars[f.key+fileSuffix])
		if err != nil {
			return fmt.Errorf("read the file that %s%s names: %w", f.key, fileSuffix, err)
		}
		vars[f.key] = strings.TrimRight(string(content), "\r\n")
	}
	if vars[f.key] == "" && f.alias != "" {
		vars[f.key] = vars[f.alias]
	}
	if vars[f.key] == "" {
		delete(vars, f.key) // so that "required" means what it says
	}
	// A struct of this field alone, so that an error can be told by the variable's name:
	// the library reports the names of fields.
	one := reflect.New(reflect.StructOf([]reflect.StructField{f.sf}))
	one.Elem().Field(0).Set(f.value)
	if err := env.ParseWithOptions(one.Interface(), env.Options{Environment: vars, Prefix: f.prefix}); err != nil {
		return explain(err)
	}
	f.value.Set(one.Elem().Field(0))
	return nil
}

// explain takes what matters to the user out of the library's error.
func explain(err error) error {
	if e := (env.ParseError{}); errors.As(err, &e) {
		return fmt.Errorf("want a value of type %s: %w", typeName(e.Type), e.Err)
	}
	if e := (env.VarIsNotSetError{}); errors.As(err, &e) {
		return errors.New("must be set")
	}
	if e := (env.EmptyVarError{}); errors.As(err, &e) {
		return errors.New("must not be empty")
	}
	return err
}

// validate asks a struct and those within it, the inner ones first. An embedded struct's
// method may be its outer struct's too, so the same complaint twice counts once.
func validate(v reflect.Value) (problems []error) {
	add := func(err error) {
		if err != nil && !slices.ContainsFunc(problems, func(p error) bool { return p.Error() == err.Error() }) {
			problems = append(problems, err)
		}
	}
	for i := range v.NumField() {
		if isNested(v.Type().Field(i)) {
			for _, err := range validate(v.Field(i)) {
				add(err)
			}
		}
	}
	if s, ok := v.Addr().Interface().(interface{ Validate() error }); ok {
		add(s.Validate())
	}
	return problems
}

func variables(environ []string) map[string]string {
	vars := make(map[string]string, len(environ))
	for _, entry := range environ {
		if key, value, ok := strings.Cut(entry, "="); ok {
			vars[key] = value
		}
	}
	return vars
}
