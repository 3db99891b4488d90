package conformance

import (
	"fmt"
	"sort"
	"sync"

	"github.com/stoker-fhir/stoker/pkg/fhirdef"
	"github.com/stoker-fhir/stoker/services/parser/internal/resource"
)

// Suite is a set of cases from one source.
type Suite struct {
	Name string
	run  func(*report) error
}

// Options say how much is run.
type Options struct {
	// Mutations is how many mutations of each kind are made of an example at most; 0 is 1.
	Mutations int
	// Examples is how many examples of a type are mutated at most; 0 is all.
	Examples int
	// Seed of the choice among possible mutations.
	Seed uint64
}

// Suites returns all suites in the order of the table.
func Suites(o Options) []Suite {
	return []Suite{
		{"json-parsing", parsing},
		{"r4-examples", examples},
		{"fhir-test-cases", testCases},
		{"primitives", primitives},
		{"messy", messy},
		{"suppliers", suppliers},
		{"elements", elements},
		{"mutation", func(r *report) error { return mutation(r, o) }},
		{"rewriting", func(r *report) error { return rewriting(r, o) }},
	}
}

// Run runs a suite. The error says that it could not be run.
func (s Suite) Run() (Result, error) {
	definitions, err := fhirdef.Load(fhirdef.R4)
	if err != nil {
		return Result{}, err
	}
	r := &report{definitions: definitions}
	r.result.Suite = s.Name
	if err := s.run(r); err != nil {
		return Result{}, fmt.Errorf("suite %s: %w", s.Name, err)
	}
	sort.SliceStable(r.result.Argued, func(i, j int) bool { return r.result.Argued[i].Case < r.result.Argued[j].Case })
	sort.SliceStable(r.result.Wrong, func(i, j int) bool { return r.result.Wrong[i].Case < r.result.Wrong[j].Case })
	return r.result, nil
}

// Result is what came of a suite.
type Result struct {
	Suite         string
	Agreed        int
	Argued, Wrong []Finding
	Notes         []string // figures beside the counts
}

// Cases is the number of cases.
func (r Result) Cases() int { return r.Agreed + Count(r.Argued) + Count(r.Wrong) }

// Count returns how many cases there are in findings.
func Count(findings []Finding) int {
	n := 0
	for _, f := range findings {
		n += f.Cases
	}
	return n
}

// Finding is a case that did not come out as its source expects, or several with the same
// reason.
type Finding struct {
	Case, Why string
	Cases     int
	Doc       []byte // what was read, if it was made here
}

// report collects the verdicts of a suite. It is safe for concurrent use.
type report struct {
	definitions *fhirdef.Definitions
	mu          sync.Mutex
	result      Result
}

func (r *report) agreed(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result.Agreed += n
}

func (r *report) argued(name string, cases int, why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result.Argued = append(r.result.Argued, Finding{Case: name, Why: why, Cases: cases})
}

func (r *report) wrong(name string, doc []byte, format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result.Wrong = append(r.result.Wrong, Finding{Case: name, Why: fmt.Sprintf(format, args...), Cases: 1, Doc: doc})
}

func (r *report) note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result.Notes = append(r.result.Notes, fmt.Sprintf(format, args...))
}

// arguments are the reasons for the cases of a suite that differ, by case.
type arguments map[string]string

// judge counts a case. Difference is what is not as expected, or "".
func (r *report) judge(name string, a arguments, difference string) {
	why, listed := a[name]
	switch {
	case listed && difference == "":
		r.wrong(name, nil, "is argued without need: %s", why)
	case listed:
		r.argued(name, 1, why)
	case difference == "":
		r.agreed(1)
	default:
		r.wrong(name, nil, "%s", difference)
	}
}

func (r *report) reader() (*readers, error) {
	checked, err := resource.NewReader(r.definitions)
	return &readers{checked: checked}, err
}
