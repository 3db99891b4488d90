package cli

import (
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// exportFlags are the flags of an import that is of a bulk export.
type exportFlags struct {
	server, group, since, until string
	patientLevel                bool
	types, typeFilters          []string
	elements, patients, params  []string
}

func (f *exportFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.server, "export", "", "base URL of a FHIR server; what it exports in bulk ($export) is imported. See docs/export.md")
	flags.StringVar(&f.group, "group", "", "of an export or a pull: the patients of the Group with this id (default of an export: all that the server has)")
	flags.BoolVar(&f.patientLevel, "patient-level", false, "of an export: all patients")
	flags.StringArrayVar(&f.types, "type", nil, "of an export or a pull: a resource type, or several separated by commas. May be repeated (default: all; needed with --search)")
	flags.StringVar(&f.since, "since", "", "of an export or a pull: what changed since a time (RFC 3339), such as the transaction time of the last import")
	flags.StringVar(&f.until, "until", "", "of an export: what changed until a time (RFC 3339)")
	flags.StringArrayVar(&f.typeFilters, "type-filter", nil, "of an export or --search: a search such as Observation?category=laboratory. May be repeated")
	flags.StringArrayVar(&f.elements, "elements", nil, "of an export: elements such as Patient.name; such resources never replace whole ones. May be repeated")
	flags.StringArrayVar(&f.patients, "patient", nil, "of an export or a pull: a patient's id. May be repeated")
	flags.StringArrayVar(&f.params, "export-param", nil, "of an export: another parameter, as in organizeOutputBy=Patient. May be repeated")
}

func (f exportFlags) check() error {
	switch {
	case f.server == "" && (f.group != "" || f.patientLevel || f.since != "" || f.until != "" ||
		len(f.types)+len(f.typeFilters)+len(f.elements)+len(f.patients)+len(f.params) > 0):
		return usage("--group, --patient-level, --type, --since and the like are of an export; name its server with --export, or that of a pull with --everything or --search")
	case f.group != "" && f.patientLevel:
		return usage("--group and --patient-level are two different exports; name one")
	}
	return f.checkNames()
}

// checkNames checks what exports and pulls have in common.
func (f exportFlags) checkNames() error {
	if f.group != "" && !fhirmsg.IsResourceID(f.group) {
		return usage("--group: want the id of a Group, such as 7, without Group/ before it")
	}
	return checkTypes("--type", f.types)
}

// noteSince says of a time to come that nothing can have changed since. Clocks differ, so it is no error.
func (a *app) noteSince(since string) {
	if t, err := time.Parse(time.RFC3339, since); err == nil && time.Until(t) > time.Hour {
		a.note("--since %s is in the future: the server has nothing that changed since then", since)
	}
}

// request is the export that the flags ask for.
func (f exportFlags) request() (*fhirmsg.Export, error) {
	at, err := fhirmsg.ExportURL(f.server, f.group, f.patientLevel)
	if err != nil {
		return nil, err
	}
	e := &fhirmsg.Export{URL: at}
	e.Add(fhirmsg.ExportType, f.types...)
	if f.since != "" {
		e.Add(fhirmsg.ExportSince, f.since)
	}
	if f.until != "" {
		e.Add(fhirmsg.ExportUntil, f.until)
	}
	e.Add(fhirmsg.ExportTypeFilter, f.typeFilters...)
	e.Add(fhirmsg.ExportElements, f.elements...)
	for _, id := range f.patients {
		e.Add(fhirmsg.ExportPatient, "Patient/"+strings.TrimPrefix(id, "Patient/"))
	}
	for _, p := range f.params {
		name, value, ok := strings.Cut(p, "=")
		if !ok {
			return nil, errors.New("--export-param: want NAME=VALUE")
		}
		e.Add(name, value)
	}
	return e, e.Check()
}
