package supplier

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/stoker-fhir/stoker/pkg/spelling"
)

// File is what suppliers.yaml declares.
type File struct {
	Suppliers []Supplier
	Syncs     []Sync
}

// ReadFile reads suppliers.yaml; its form is in docs/suppliers.md. The error joins everything that is
// wrong, each with the file's name, the line and the field, and shows no credential.
func ReadFile(path string) (File, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return File{}, fmt.Errorf("read the file of suppliers: %w", err)
	}
	return parse(path, content)
}

// parse reads the content of a file.
func parse(path string, content []byte) (declared File, err error) {
	f := file{path: path}
	var doc yaml.Node
	if err := yaml.Unmarshal(content, &doc); err != nil {
		return declared, fmt.Errorf("%s: %s", path, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if len(doc.Content) == 0 {
		return declared, nil // empty, or comments only
	}
	f.members(doc.Content[0], "", func(key, value *yaml.Node) {
		switch key.Value {
		case "suppliers":
			f.members(value, key.Value, func(name, body *yaml.Node) {
				s := Supplier{Name: name.Value}
				f.declared(name, body, &s, "supplier", Fields(), func() []Problem { return s.Problems() })
				declared.Suppliers = append(declared.Suppliers, s)
			})
		case "syncs":
			f.members(value, key.Value, func(name, body *yaml.Node) {
				s := Sync{Name: name.Value}
				f.declared(name, body, &s, "sync", SyncFields(), func() []Problem { return s.Problems() })
				declared.Syncs = append(declared.Syncs, s)
			})
		default:
			f.wrong(key, key.Value, errors.New(`is not known here; the file has two fields, "suppliers" and "syncs"`))
		}
	})
	return declared, errors.Join(f.errs...)
}

// file is a file of suppliers that is being read.
type file struct {
	path string
	errs []error
}

func (f *file) wrong(at *yaml.Node, field string, err error) {
	if field != "" {
		field += ": "
	}
	f.errs = append(f.errs, fmt.Errorf("%s:%d: %s%w", f.path, at.Line, field, err))
}

// members hands over the members of a mapping; each may be there once.
func (f *file) members(n *yaml.Node, field string, each func(key, value *yaml.Node)) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.MappingNode {
		f.wrong(n, field, errors.New("must be a mapping: names, each with a colon and a value"))
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if seen[key.Value] {
			f.wrong(key, field, fmt.Errorf("%s is there twice", key.Value))
			continue
		}
		seen[key.Value] = true
		each(key, value)
	}
}

// declared reads what is said of a supplier or a sync into it.
func (f *file) declared(name, body *yaml.Node, into any, what string, fields []string, problems func() []Problem) {
	at := map[string]*yaml.Node{"name": name}
	before := len(f.errs)
	if body.Tag != "!!null" { // a name alone has all defaults
		f.members(body, name.Value, func(key, value *yaml.Node) {
			at[key.Value] = value
			if err := set(into, what, fields, key.Value, value); err != nil {
				f.wrong(key, name.Value+"."+key.Value, err)
			}
		})
	}
	if len(f.errs) > before {
		return // what could not be read would be complained about a second time
	}
	for _, p := range problems() {
		field := p.Field
		if i := strings.IndexAny(field, "[."); i >= 0 {
			field = field[:i]
		}
		node := cmp.Or(at[field], name)
		f.wrong(node, name.Value+"."+p.Field, p.Err)
	}
}

// set sets a field. Fields are those of the JSON, so that the file, the HTTP interface and the
// ledger speak of the same.
func set(into any, what string, fields []string, field string, value *yaml.Node) error {
	if !slices.Contains(fields, field) {
		nearest := slices.MinFunc(fields, func(a, b string) int {
			return cmp.Compare(spelling.Distance(field, a), spelling.Distance(field, b))
		})
		return fmt.Errorf("is no field of a %s; did you mean %s?", what, nearest)
	}
	var v any
	if err := value.Decode(&v); err != nil {
		return errors.New("cannot be read")
	}
	b, err := json.Marshal(map[string]any{field: v})
	if err != nil {
		return errors.New("cannot be read: keys of mappings must be text")
	}
	in := json.NewDecoder(bytes.NewReader(b))
	in.DisallowUnknownFields() // of what is within the field
	err = in.Decode(into)
	if misfit := (*json.UnmarshalTypeError)(nil); errors.As(err, &misfit) {
		return fmt.Errorf("must be %s, not a %s", kindName(misfit.Type), misfit.Value)
	}
	return err
}

// Fields are the names of all fields that a supplier's declaration may have.
func Fields() []string {
	return append(fieldsOf(reflect.TypeFor[Policy]()), fieldsOf(reflect.TypeFor[Credentials]())...)
}

// SyncFields are the names of all fields that a sync's declaration may have.
func SyncFields() []string {
	return slices.DeleteFunc(fieldsOf(reflect.TypeFor[Sync]()), func(name string) bool { return name == "name" })
}

func fieldsOf(t reflect.Type) (names []string) {
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}

// kindName is a type for people.
func kindName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return `text (in quotes, if it looks like a number)`
	case reflect.Int, reflect.Int64:
		return "a whole number"
	case reflect.Slice:
		return "a list"
	case reflect.Struct:
		return "a mapping"
	default:
		return "something else"
	}
}
