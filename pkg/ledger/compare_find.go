package ledger

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// From where on a change is told of.
const (
	leastChange  = 0.10 // of a number of resources, as a share of the greater one
	leastRate    = 0.05 // of how many have an element, or are rejected
	leastCompare = 20   // resources on both sides, fewer of which say nothing
	maxFindings  = 50
)

// Finding is a change that may be a mistake of the delivery.
type Finding struct {
	Type    string  `json:"type,omitempty"`    // of resources; "": of the delivery as a whole
	Element string  `json:"element,omitempty"` // of the type
	Text    string  `json:"text"`              // for people
	Change  float64 `json:"change"`            // how great it is: 0 to 1
}

// find tells of the changes, the greatest first.
func (c Comparison) find() (found []Finding) {
	if c.Before == nil {
		return nil
	}
	add := func(typ, element string, change, least float64, format string, args ...any) {
		if change >= least {
			found = append(found, Finding{typ, element, fmt.Sprintf(format, args...), change})
		}
	}
	rejected, before := c.Now.RejectedShare(), c.Before.RejectedShare()
	add("", "", difference(rejected, before), leastRate/5, "%s of what was read was rejected, %s the last time", percent(rejected), percent(before))
	for _, t := range c.Types {
		now, before := t.Now.Resources, t.Before.Resources
		switch {
		case now == 0 && t.Now.Profiled > 0: // all of it was rejected, which the share tells
		case now == 0 && before > 0:
			add(t.Type, "", 1, 0, "%s: none, %s the last time", t.Type, grouped(before))
		case before == 0 && now > 0:
			add(t.Type, "", 1, 0, "%s: %s, none the last time", t.Type, grouped(now))
		default:
			change := difference(float64(now), float64(before)) / float64(max(now, before, 1))
			add(t.Type, "", change, leastChange, "%s: %s, %s the last time", t.Type, grouped(now), grouped(before))
		}
		if t.Now.Last != "" && t.Before.Last != "" && isBefore(t.Now.Last, t.Before.Last) {
			add(t.Type, "", leastChange, 0, "%s: the latest is of %s, and was of %s the last time", t.Type, t.Now.Last, t.Before.Last)
		}
		if t.Now.Profiled < leastCompare || t.Before.Profiled < leastCompare {
			continue
		}
		for _, e := range t.Elements {
			add(t.Type, e.Element, difference(e.Rate, e.Last), leastRate, "%s.%s is there in %s of %s, %s of %s the last time",
				t.Type, e.Element, percent(e.Rate), grouped(t.Now.Profiled), percent(e.Last), grouped(t.Before.Profiled))
		}
	}
	slices.SortStableFunc(found, func(a, b Finding) int { return cmp.Compare(b.Change, a.Change) })
	return found[:min(len(found), maxFindings)]
}

// isBefore compares dates as far as both say: 2026 is not before 2026-03.
func isBefore(a, b string) bool {
	n := min(len(a), len(b))
	return a[:n] < b[:n]
}

func difference(a, b float64) float64 { return max(a-b, b-a) }

func percent(share float64) string {
	text := strconv.FormatFloat(share*100, 'f', 1, 64)
	if share > 0 && text == "0.0" {
		return "under 0.1 %"
	}
	if share < 1 && text == "100.0" {
		return "over 99.9 %"
	}
	return strings.TrimSuffix(text, ".0") + " %"
}

// grouped is a number with commas between thousands.
func grouped(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
