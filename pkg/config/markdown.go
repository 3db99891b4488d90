package config

import (
	"fmt"
	"io"
	"strings"
)

// Markdown writes a section with a table of all settings of the structs that structs
// points to. An empty title leaves the heading out.
func Markdown(w io.Writer, title string, structs ...any) error {
	var b strings.Builder
	if title != "" {
		fmt.Fprintf(&b, "## %s\n\n", title)
	}
	b.WriteString("| Variable | Type | Default | Meaning |\n|---|---|---|---|\n")
	for _, s := range structs {
		fields, err := fieldsOf(s)
		if err != nil {
			return err
		}
		for _, f := range fields {
			name := "`" + f.key + "`"
			if f.alias != "" {
				name += " or `" + f.alias + "`"
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", name, typeName(f.sf.Type), f.defaultText(), cell(f.sf.Tag.Get("doc")))
		}
	}
	b.WriteByte('\n')
	_, err := io.WriteString(w, b.String())
	return err
}

func (f field) defaultText() string {
	if f.required {
		return "must be set"
	}
	if value := f.sf.Tag.Get("envDefault"); value != "" {
		return "`" + cell(value) + "`"
	}
	return ""
}

// cell keeps text within its cell of a table.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ").Replace(s)
}
