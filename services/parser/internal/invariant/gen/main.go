// Command gen writes docs/validation.md. Its argument is the file's name.
package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/stoker-fhir/stoker/pkg/fhirdef"
	"github.com/stoker-fhir/stoker/services/parser/internal/invariant"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("want one argument, the file to write")
	}
	d, err := fhirdef.Load(fhirdef.R4)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, head, d.Source, d.Version)
	constraints(&b, invariant.CoverageOf(d))
	valueSets(&b, d)
	return os.WriteFile(args[0], b.Bytes(), 0o644)
}

// line is a constraint with all types that have it.
type line struct {
	invariant.Coverage
	types []string
}

func constraints(b *bytes.Buffer, all []invariant.Coverage) {
	var lines []*line
	byText := map[string]*line{}
	for _, c := range all {
		k := c.Constraint
		id := k.Key + k.Expression
		l := byText[id]
		if l == nil {
			l = &line{Coverage: c}
			byText[id] = l
			lines = append(lines, l)
		}
		name := c.Type.Name
		if k.Element != "" {
			name += "." + k.Element
		}
		l.types = append(l.types, name)
	}
	slices.SortStableFunc(lines, func(a, b *line) int { return compareKeys(a.Constraint.Key, b.Constraint.Key) })
	checked := 0
	for _, l := range lines {
		if l.Checked {
			checked++
		}
	}
	fmt.Fprintf(b, constraintsHead, len(lines), checked)
	b.WriteString("### Not checked\n\n| Key | Of | What it says | Why not |\n|---|---|---|---|\n")
	for _, l := range lines {
		if !l.Checked {
			fmt.Fprintf(b, "| %s | %s | %s | %s |\n", l.Constraint.Key, l.of(), cell(l.Constraint.Human), cell(l.Note))
		}
	}
	b.WriteString("\n### Checked\n\n| Key | Of | Severity | What it says |\n|---|---|---|---|\n")
	for _, l := range lines {
		if l.Checked {
			fmt.Fprintf(b, "| %s | %s | %s | %s |\n", l.Constraint.Key, l.of(), l.Constraint.Severity, cell(l.Constraint.Human))
		}
	}
}

// of says on what the constraint is.
func (l *line) of() string {
	switch {
	case l.Constraint.Key == "ele-1":
		return "every element"
	case strings.HasPrefix(l.Constraint.Key, "dom-"):
		return "every resource with `contained`"
	}
	return "`" + strings.Join(l.types, "`, `") + "`"
}

// compareKeys sorts obs-10 after obs-7.
func compareKeys(a, b string) int {
	as, bs := strings.Split(a, "-"), strings.Split(b, "-")
	if c := strings.Compare(as[0], bs[0]); c != 0 {
		return c
	}
	an, bn := as[len(as)-1], bs[len(bs)-1]
	digits := func(s string) int { return len(s) - len(strings.TrimLeft(s, "0123456789")) }
	if c := digits(an) - digits(bn); c != 0 {
		return c
	}
	return strings.Compare(an, bn)
}

func cell(s string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(s), " "), "|", "\\|")
}

func valueSets(b *bytes.Buffer, d *fhirdef.Definitions) {
	var sets []*fhirdef.ValueSet
	used := map[*fhirdef.ValueSet]int{}
	for _, t := range d.Types {
		for _, e := range t.Elements {
			if e.Binding != nil {
				if used[e.Binding] == 0 {
					sets = append(sets, e.Binding)
				}
				used[e.Binding]++
			}
		}
	}
	slices.SortFunc(sets, func(a, b *fhirdef.ValueSet) int { return strings.Compare(a.URL, b.URL) })
	var enumerated []*fhirdef.ValueSet
	b.WriteString(bindingsHead)
	b.WriteString("| Value set | Elements | Checked |\n|---|---|---|\n")
	for _, v := range sets {
		if v.Syntax == fhirdef.Enumerated {
			enumerated = append(enumerated, v)
			continue
		}
		fmt.Fprintf(b, "| %s | %d | %s |\n", v.URL, used[v], syntax(v.Syntax))
	}
	fmt.Fprintf(b, "\n### By list\n\nThe codes of these %d value sets are listed in the definitions.\n\n", len(enumerated))
	b.WriteString("| Value set | Elements | Codes |\n|---|---|---|\n")
	for _, v := range enumerated {
		fmt.Fprintf(b, "| %s | %d | %d |\n", v.URL, used[v], len(v.Codes))
	}
}

func syntax(s fhirdef.Syntax) string {
	switch s {
	case fhirdef.MIMEType:
		return "by syntax: a MIME type"
	case fhirdef.Language:
		return "by syntax: a language tag of BCP 47"
	case fhirdef.Currency:
		return "by syntax: three capital letters of ISO 4217"
	case fhirdef.UCUM:
		return "by syntax: printable ASCII without space"
	default:
		return "no: its codes are not known here"
	}
}
