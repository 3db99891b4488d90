package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/supplier"
)

// syncExportFlags are the flags of `stoker sync add` for a sync of kind export.
type syncExportFlags struct {
	supplier.Export
	params []string
}

func (f *syncExportFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.Group, "group", "", "of an export: the patients of the Group with this id; those who join are asked for whole")
	flags.BoolVar(&f.PatientLevel, "patient-level", false, "of an export: all patients (default: all that the server has)")
	flags.StringSliceVar(&f.Types, "type", nil, "of an export: resource types, separated by commas. May be repeated (default: all)")
	flags.StringArrayVar(&f.TypeFilters, "type-filter", nil, "of an export: a search such as Observation?category=laboratory. May be repeated")
	flags.StringArrayVar(&f.params, "export-param", nil, "of an export: another parameter, as in includeAssociatedData=LatestProvenanceResources. May be repeated")
	flags.StringVar(&f.Overlap, "overlap", "", "of an export: how much earlier than the last one changes are asked for (default 10m)")
	flags.BoolVar(&f.AcceptErrors, "accept-errors", false, "of an export: errors that the server reports of its own export do not make a run fail")
}

// of is what the flags ask for; nil where they do not.
func (f syncExportFlags) of(kind string) *supplier.Export {
	e := f.Export
	for _, p := range f.params {
		name, value, _ := strings.Cut(p, "=") // what has no value is refused later
		e.Parameters = append(e.Parameters, fhirmsg.ExportParameter{Name: name, Value: value})
	}
	if kind != supplier.SyncExport && e.IsZero() {
		return nil
	}
	return &e
}
