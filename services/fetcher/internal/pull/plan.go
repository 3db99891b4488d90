package pull

import (
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// defaultCount is how many resources a page is asked to have.
const defaultCount = 200

// File is what a file of a pull asks for.
type File struct {
	Path    []string // below the server's URL, by which it is called
	Queries []string // below the server's URL, one after the other
	History bool     // of the answers only deletions are taken
	Follows bool     // what the other files point to; there are no queries
}

// maxPlan is how much the queries of all patients may be, in bytes: they are in memory, and in the ledger with each file.
const maxPlan = 64 << 20

var errPlan = errors.New("the queries for all patients are more than 64 MiB together: name fewer types, or a smaller cohort")

// Plan is the files of a pull of some patients, in the order in which they are to be read. Deletions are first, and what is
// followed is last. It fails where that is too much.
func Plan(p fhirmsg.Pull, patients []string) ([]File, error) {
	if !fits(p, patients) {
		return nil, errPlan
	}
	var files []File
	if p.Deletions {
		for _, t := range types(p) {
			files = append(files, File{Path: []string{t, "_history"}, Queries: []string{query(t+"/_history", "", common(p, "_since", ""))}, History: true})
		}
	}
	for _, id := range patients {
		files = append(files, ofPatient(p, id))
	}
	if len(p.Follow) > 0 {
		files = append(files, File{Path: []string{"(followed)"}, Follows: true})
	}
	return files, nil
}

// fits reports whether the plan is small enough, by the patient with the longest id. Each file names what is followed, too.
func fits(p fhirmsg.Pull, patients []string) bool {
	longest := ""
	for _, id := range patients {
		if len(id) > len(longest) {
			longest = id
		}
	}
	size := 0
	for _, q := range ofPatient(p, longest).Queries {
		size += len(q)
	}
	for _, t := range p.Follow {
		size += len(t)
	}
	return size <= maxPlan/max(len(patients), 1)
}

// ofPatient is the file of one patient.
func ofPatient(p fhirmsg.Pull, id string) File {
	if !p.Everything {
		return File{Path: []string{"Patient", id}, Queries: searches(p, id)}
	}
	asked := common(p, "_since", "")
	if len(p.Types) > 0 {
		asked = append(asked, parameter{"_type", strings.Join(p.Types, ",")})
	}
	return File{Path: []string{"Patient", id, "$everything"}, Queries: []string{query("Patient/"+id+"/$everything", "", asked)}}
}

// types are those that are searched for, in the order in which they are named.
func types(p fhirmsg.Pull) []string {
	list := slices.Clone(p.Types)
	for _, f := range p.Filters {
		t, _, _ := strings.Cut(f, "?")
		list = append(list, t)
	}
	var once []string
	for _, t := range list {
		if !slices.Contains(once, t) {
			once = append(once, t)
		}
	}
	return once
}

// searches are those for one patient.
func searches(p fhirmsg.Pull, id string) (list []string) {
	for _, t := range types(p) {
		asked := append([]parameter{patientParameter(t, id)}, common(p, "_lastUpdated", "ge")...)
		filtered := false
		for _, f := range p.Filters {
			if of, more, _ := strings.Cut(f, "?"); of == t {
				list, filtered = append(list, query(t, more, asked)), true
			}
		}
		if !filtered {
			list = append(list, query(t, "", asked))
		}
	}
	return list
}

// parameter is one of a query.
type parameter struct{ name, value string }

// patientParameter is by which resources of a type are searched for that are of a patient. Almost all know "patient"
// (https://hl7.org/fhir/R4/compartmentdefinition-patient.html).
func patientParameter(resourceType, id string) parameter {
	switch resourceType {
	case "Patient":
		return parameter{"_id", id}
	case "AdverseEvent", "SupplyRequest":
		return parameter{"subject", "Patient/" + id}
	case "Group":
		return parameter{"member", "Patient/" + id}
	case "ResearchSubject":
		return parameter{"individual", "Patient/" + id}
	case "Schedule":
		return parameter{"actor", "Patient/" + id}
	default:
		return parameter{"patient", id}
	}
}

// common is what all queries of a pull have.
func common(p fhirmsg.Pull, since, prefix string) (list []parameter) {
	if p.Since != nil {
		list = append(list, parameter{since, prefix + p.Since.UTC().Format(time.RFC3339Nano)})
	}
	count := p.Count
	if count == 0 {
		count = defaultCount
	}
	return append(list, parameter{"_count", strconv.Itoa(count)})
}

// query is a path with a query that is as it is, and more parameters.
func query(path, asIs string, more []parameter) string {
	var b strings.Builder
	b.WriteString(path)
	separator := byte('?')
	if asIs != "" {
		b.WriteString("?" + strings.ReplaceAll(asIs, " ", "%20"))
		separator = '&'
	}
	for _, p := range more {
		b.WriteByte(separator)
		separator = '&'
		b.WriteString(p.name + "=" + url.QueryEscape(p.value))
	}
	return b.String()
}
