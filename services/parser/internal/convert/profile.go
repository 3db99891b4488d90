package convert

import (
	"math/bits"
	"slices"
	"strings"

	"github.com/stoker-fhir/stoker/pkg/fhirdef"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/services/parser/internal/resource"
)

// profiles count which elements the resources of one chunk have. What is counted is what came and could be read, whatever becomes of
// it; see BenchmarkConvert for what it costs.
type profiles struct{ of map[*fhirdef.Type]*profile }

// profile is that of one type.
type profile struct {
	resources   int64
	elements    [fhirdef.MaxElements]int64
	choices     map[*fhirdef.Member]int64
	first, last string
}

func (p *profiles) begin() { clear(p.of) }

// addLast counts the resource that ended last: the document itself.
func (p *profiles) addLast(found []resource.Filled) {
	if n := len(found); n > 0 {
		p.add(found[n-1])
	}
}

// addEntries counts the resources of a Bundle, and not the Bundle.
func (p *profiles) addEntries(found []resource.Filled) {
	for _, f := range found[:max(0, len(found)-1)] {
		p.add(f)
	}
}

func (p *profiles) add(f resource.Filled) {
	c := p.of[f.Type]
	if c == nil {
		if p.of == nil {
			p.of = map[*fhirdef.Type]*profile{}
		}
		c = &profile{choices: map[*fhirdef.Member]int64{}}
		p.of[f.Type] = c
	}
	c.resources++
	for set := f.Elements; set != 0; set &= set - 1 {
		c.elements[bits.TrailingZeros64(set)]++
	}
	for _, m := range f.Choices {
		c.choices[m]++
	}
	if f.Date == nil {
		return
	}
	if c.first == "" || string(f.Date) < c.first {
		c.first = string(f.Date)
	}
	if string(f.Date) > c.last {
		c.last = string(f.Date)
	}
}

// finish returns the profiles by type.
func (p *profiles) finish() (list []fhirmsg.Profile) {
	for t, c := range p.of {
		one := fhirmsg.Profile{Type: t.Name, Resources: c.resources, Elements: map[string]int64{}, First: c.first, Last: c.last}
		for i, e := range t.Elements {
			if n := c.elements[i]; n > 0 && !e.Choice {
				one.Elements[e.Name] = n
			}
		}
		for m, n := range c.choices {
			one.Elements[m.Name] = n
		}
		list = append(list, one)
	}
	slices.SortFunc(list, func(a, b fhirmsg.Profile) int { return strings.Compare(a.Type, b.Type) })
	return list
}
