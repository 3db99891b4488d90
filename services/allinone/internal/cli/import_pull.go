package cli

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// pullFlags are the flags of an import that is of a cohort, patient by patient. It shares with exports what they have in
// common.
type pullFlags struct {
	everything, search string
	list, cohort       string
	patientsFile       string
	follow             []string
	deletions          bool
	count, atOnce      int
	rate               float64
}

func (f *pullFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.everything, "everything", "", "base URL of a FHIR server; what it has of a cohort is imported, by Patient/[id]/$everything. See docs/pull.md")
	flags.StringVar(&f.search, "search", "", "base URL of a FHIR server, as --everything; it is asked by a search for each patient and --type")
	flags.StringVar(&f.patientsFile, "patients", "", "of a pull: the patients whose ids are the lines of this file")
	flags.StringVar(&f.list, "list", "", "of a pull: the patients of the List with this id")
	flags.StringVar(&f.cohort, "cohort", "", "of a pull: the patients that a search finds, such as Patient?organization=1")
	flags.StringSliceVar(&f.follow, "follow", nil, "of a pull: types of resources that are fetched too where others refer to them, such as Practitioner,Organization,Binary")
	flags.BoolVar(&f.deletions, "deletions", false, "of a pull, with --type and --since, in mode sync: ask for deletions too, by [type]/_history, where the server offers it")
	flags.IntVar(&f.count, "page-size", 0, "of a pull: resources of a page, as the server is asked (default 200)")
	flags.IntVar(&f.atOnce, "concurrency", 0, "of a pull: requests at once (default 4)")
	flags.Float64Var(&f.rate, "rate", 0, "of a pull: the most requests in a second (default: no limit)")
}

// server is the base URL of the server that is asked; "" where none is.
func (f pullFlags) server() string {
	if f.everything != "" {
		return f.everything
	}
	return f.search
}

// alone says that what is of a pull is there without one.
func (f pullFlags) alone() error {
	if f.patientsFile != "" || f.list != "" || f.cohort != "" || len(f.follow) > 0 || f.deletions || f.count != 0 || f.atOnce != 0 || f.rate != 0 {
		return usage("--patients, --list, --cohort, --follow and the like are of a pull; name its server with --everything or --search")
	}
	return nil
}

func (f pullFlags) check(e exportFlags) error {
	switch {
	case f.everything != "" && f.search != "":
		return usage("--everything and --search are two ways to ask for the same; name one")
	case e.server != "":
		return usage("--export asks for all at once, and --everything and --search patient by patient; name one")
	case f.search != "" && len(e.types)+len(e.typeFilters) == 0:
		return usage("--search needs --type: which resource types are searched for, such as Patient,Observation,Condition")
	case f.deletions && (len(e.types)+len(e.typeFilters) == 0 || e.since == ""):
		return usage("--deletions needs --type and --since: what was deleted is asked for by type, since a time")
	case e.patientLevel, e.until != "", len(e.elements) > 0, len(e.params) > 0:
		return usage("--patient-level, --until, --elements and --export-param are of an export")
	}
	if err := e.checkNames(); err != nil {
		return err
	}
	return checkTypes("--follow", f.follow)
}

// request is the pull that the flags ask for.
func (f pullFlags) request(e exportFlags) (*fhirmsg.Pull, error) {
	p := &fhirmsg.Pull{
		URL: strings.TrimSuffix(f.server(), "/"), Everything: f.everything != "", Group: e.group, List: f.list, Cohort: f.cohort, Filters: e.typeFilters,
		Follow: f.follow, Deletions: f.deletions, Count: f.count, Concurrency: f.atOnce, Rate: f.rate,
	}
	for _, t := range e.types {
		for one := range strings.SplitSeq(t, ",") {
			p.Types = append(p.Types, strings.TrimSpace(one))
		}
	}
	for _, id := range e.patients {
		p.Patients = append(p.Patients, strings.TrimPrefix(id, "Patient/"))
	}
	if e.since != "" {
		t, err := time.Parse(time.RFC3339, e.since)
		if err != nil {
			return nil, errors.New("--since: want a time such as 2026-05-01T00:00:00Z")
		}
		p.Since = &t
	}
	if f.patientsFile != "" {
		ids, err := readIDs(f.patientsFile)
		if err != nil {
			return nil, fmt.Errorf("--patients: %w", err)
		}
		p.Patients = append(p.Patients, ids...)
	}
	if len(p.Patients) == 0 && p.Group == "" && p.List == "" && p.Cohort == "" {
		return nil, errors.New("name the cohort: --patients FILE, --patient ID, --group ID, --list ID or --cohort 'Patient?…'")
	}
	return p, p.Check()
}

// readIDs reads ids of patients: one in each line, with or without Patient/ before it. Empty lines and those that begin
// with # are passed over. Errors do not repeat them.
func readIDs(name string) (ids []string, err error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // only read from
	lines := bufio.NewScanner(file)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(strings.TrimPrefix(lines.Text(), "\ufeff"))
		if line == "" || line[0] == '#' {
			continue
		}
		id := strings.TrimPrefix(line, "Patient/")
		if !fhirmsg.IsResourceID(id) {
			return nil, fmt.Errorf("line %d is no id of a patient", n)
		}
		ids = append(ids, id)
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(ids) == 0 {
		return nil, errors.New("it has no ids")
	}
	return ids, nil
}
