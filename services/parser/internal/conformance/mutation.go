package conformance

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"

	"github.com/stoker-fhir/stoker/pkg/fhirdef"
	"github.com/stoker-fhir/stoker/services/parser/internal/lex"
	"github.com/stoker-fhir/stoker/services/parser/internal/resource"
	"golang.org/x/sync/errgroup"
)

// maker makes mutants of one example.
type maker struct {
	*rand.Rand
	definitions *fhirdef.Definitions
	sites       *sites
}

// mutant is an example with one node instead of another, and what must come of it.
type mutant struct {
	at, instead *node
	want        expectation
}

// expectation is what must be reported of a mutant.
type expectation struct {
	refused bool     // by the syntax, in every mode
	warning bool     // the issue is one, and there is no error
	code    string   // of the issue
	paths   []string // its expression: one of these
	unlinks bool     // a contained resource may be without reference then
	within  string   // or anything from this one on; then more may be wrong besides
}

// operator makes one kind of mutant, of an object or of a value; nil where it cannot.
type operator struct {
	name   string
	object func(*maker, *objectSite) *mutant
	value  func(*maker, *valueSite) *mutant
}

// mutant makes one of the sites, the first that can from a random one on. Done are those
// that have been.
func (o operator) mutant(m *maker, done map[*node]bool) *mutant {
	n := len(m.sites.objects)
	if o.value != nil {
		n = len(m.sites.values)
	}
	for _, i := range m.Perm(n) {
		var made *mutant
		if o.value != nil {
			made = o.value(m, m.sites.values[i])
		} else {
			made = o.object(m, m.sites.objects[i])
		}
		if made != nil && !done[made.at] {
			done[made.at] = true
			return made
		}
	}
	return nil
}

// mutable are the examples that are mutated: of every type those without errors, up to a
// number. Every mutant is written and read as a whole; of large examples there is one of a
// type at most.
func mutable(r *report, o Options) ([]example, error) {
	all, err := officialExamples()
	if err != nil {
		return nil, err
	}
	reader, err := r.reader()
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(all, func(a, b example) int { return cmp.Compare(len(a.doc), len(b.doc)) })
	limit := o.Examples
	if limit == 0 {
		limit = len(all)
	}
	counts := map[string]int{}
	ofType := map[string]int{} // numbers of candidates
	for _, e := range all {
		if len(e.doc) <= maxMutated {
			ofType[e.typ()]++
		}
	}
	var chosen []example
	seenOfType := map[string]int{}
	for _, e := range all {
		typ := e.typ()
		if mend, ok := mends[e.name]; ok {
			e.doc = bytes.ReplaceAll(e.doc, []byte(mend[0]), []byte(mend[1]))
		}
		if len(e.doc) > maxMutated && counts[typ] > 0 {
			continue
		}
		// Of more than the limit, some of every size.
		seenOfType[typ]++
		if n := ofType[typ]; n > limit && seenOfType[typ]*limit/n == (seenOfType[typ]-1)*limit/n {
			continue
		}
		if issues, err := reader.errorsOf(e.doc); err == nil && len(issues) == 0 {
			counts[typ]++
			chosen = append(chosen, e)
		}
	}
	for typ := range ofType {
		if counts[typ] == 0 {
			r.wrong(typ, nil, "has examples, and none without errors to be mutated")
		}
	}
	r.note("%d examples of %d types", len(chosen), len(counts))
	return chosen, nil
}

// maxMutated is the size in bytes up to which examples are mutated, save the first of a type.
const maxMutated = 64 << 10

// each calls do for every example, on all cores, with a reader and a maker whose choices
// depend on the seed and the example alone.
func each(r *report, o Options, do func(*readers, *maker, example)) error {
	chosen, err := mutable(r, o)
	if err != nil {
		return err
	}
	var g errgroup.Group
	workers := runtime.GOMAXPROCS(0)
	for w := range workers {
		g.Go(func() error {
			reader, err := r.reader()
			if err != nil {
				return err
			}
			for i := w; i < len(chosen); i += workers {
				e := chosen[i]
				root, err := parse(e.doc)
				if err != nil {
					return fmt.Errorf("%s: %w", e.name, err)
				}
				h := fnv.New64a()
				_, _ = h.Write([]byte(e.name)) // it never fails
				m := &maker{rand.New(rand.NewPCG(o.Seed, h.Sum64())), r.definitions, walk(r.definitions, root)}
				do(reader, m, e)
			}
			return nil
		})
	}
	return g.Wait()
}

// mutation makes single mutations of the examples: every one must be reported, with the right
// code and expression, and with nothing that follows from it.
func mutation(r *report, o Options) error {
	operators := operators()
	made := make([]int, len(operators))
	err := each(r, o, func(reader *readers, m *maker, e example) {
		var w writer
		counts := make([]int, len(operators))
		for i, op := range operators {
			done := map[*node]bool{}
			for range max(1, o.Mutations) {
				mutant := op.mutant(m, done)
				if mutant == nil {
					break
				}
				counts[i]++
				doc := w.write(m.sites.root, mutant.at, mutant.instead)
				doc, before := wrap(m, doc, &mutant.want)
				if difference := mutant.want.differs(reader, doc, before+w.from, before+w.to); difference != "" {
					r.wrong(op.name+", "+e.name, slices.Clone(doc), "%s", difference)
				} else {
					r.agreed(1)
				}
			}
		}
		if issues, err := reader.errorsOf(e.doc); err != nil || len(issues) > 0 {
			r.wrong(e.name, nil, "has errors after its mutants were read: %v, %s", err, show(issues))
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		for i, n := range counts {
			made[i] += n
		}
	})
	if err != nil {
		return err
	}
	for i, op := range operators {
		if made[i] == 0 && o.Examples == 0 {
			r.wrong(op.name, nil, "no mutant was made")
		}
	}
	r.note("%d kinds of mutation, %d of %d mutants caught with the right expression", len(operators), r.result.Agreed, r.result.Cases())
	return nil
}

// wrap puts a document into another resource now and then, where all paths are longer.
func wrap(m *maker, doc []byte, want *expectation) (wrapped []byte, before int) {
	var open, closing, path string
	switch m.IntN(8) {
	case 0:
		open, closing, path = `{"resourceType":"Bundle","type":"collection","entry":[{"resource":`, `}]}`, "Bundle.entry[0].resource"
	case 1:
		open, closing, path = `{"resourceType":"Parameters","parameter":[{"name":"a","part":[{"name":"b","resource":`, `}]}]}`, "Parameters.parameter[0].part[0].resource"
	default:
		return doc, 0
	}
	longer := func(p string) string {
		if i := strings.IndexByte(p, '.'); i >= 0 {
			return path + p[i:]
		}
		return path
	}
	paths := make([]string, len(want.paths))
	for i, p := range want.paths {
		paths[i] = longer(p)
	}
	want.paths = paths
	if want.within != "" {
		want.within = longer(want.within)
	}
	return slices.Concat([]byte(open), doc, []byte(closing)), len(open)
}

// differs says what is not as expected of a mutant, or "". The mutation is doc[from:to].
func (want expectation) differs(r *readers, doc []byte, from, to int) string {
	issues, refused := r.errorsOf(doc)
	if difference := r.difference(doc); difference != "" {
		return difference
	}
	var broken *lex.Error
	switch {
	case want.refused && refused == nil:
		return "is accepted: must be refused in every mode"
	case want.refused && (!errors.As(refused, &broken) || broken.Offset < from || broken.Offset > len(doc)):
		return fmt.Sprintf("is refused, but not from offset %d on: %v", from, refused)
	case want.refused:
		return ""
	case refused != nil:
		return "is refused: " + refused.Error()
	}
	found := false
	var others []resource.Issue
	if want.warning {
		issues = r.checked.Issues()
	}
	for _, i := range issues {
		switch {
		case want.matches(i) && want.warning == (i.Severity == "warning"):
			found = true
			if i.Offset < from || i.Offset >= to {
				return fmt.Sprintf("issue at offset %d, want one from %d to %d: %s", i.Offset, from, to, show([]resource.Issue{i}))
			}
		case want.within != "": // the whole is another
		case i.Code != "invariant", want.code != "invariant" && !want.unlinks && isLink(i):
			others = append(others, i)
		}
		if strings.Contains(i.Message, marker) {
			return "the message shows content: " + i.Message
		}
	}
	expected := fmt.Sprintf("%s %s", want.code, strings.Join(want.paths, " or "))
	switch {
	case len(issues) == 0:
		return "is not caught: want " + expected
	case !found:
		return "want " + expected + "; got " + show(issues)
	case len(others) > 0:
		return "besides " + expected + " reports " + show(others)
	}
	return ""
}

// isLink reports whether an issue is about references to contained resources. The other
// invariants may well be broken by a mutation; these would only say again that something
// could not be read.
func isLink(i resource.Issue) bool {
	return strings.HasSuffix(i.Message, "(ref-1)") || strings.HasSuffix(i.Message, "(dom-3)")
}

// marker is in values that no message may show.
const marker = "stoker-"

func (want expectation) matches(i resource.Issue) bool {
	if want.within != "" && strings.HasPrefix(i.Expression, want.within) {
		return true
	}
	return slices.Contains(want.paths, i.Expression) && (i.Code == want.code || want.code == "")
}
