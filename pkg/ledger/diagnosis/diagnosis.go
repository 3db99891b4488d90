package diagnosis

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Count is how often an issue was found.
type Count struct {
	Code       string // issue-type: structure, value, …
	Expression string // FHIRPath without indexes; "" is the line as a whole
	Count      int64
}

// Of says in a sentence or two what the issues and the rejected lines, of which the beginning
// is enough, look like; "" is that nothing is known.
func Of(counts []Count, samples [][]byte) string {
	var all, lines int64
	for _, c := range counts {
		all += c.Count
		if c.Expression == "" {
			lines += c.Count
		}
	}
	if 2*lines > all || all == 0 { // lines that are no resources
		if text := notResources(samples); text != "" {
			return text
		}
	}
	return otherVersion(counts, typesOf(samples, lines), all)
}

// hint is an element or a type of another version. How often a type occurs is an estimate.
type hint struct {
	name string
	change
	count    int64
	estimate bool
}

// shown is how many hints are named.
const shown = 3

// share is the least part of all issues, one in so many, that must point to another version.
const share = 10

func otherVersion(counts []Count, resourceTypes map[string]int64, all int64) string {
	var hints []hint
	known := changes()
	for _, c := range counts {
		if ch, ok := known[c.Expression]; ok && c.Code == "structure" {
			hints = append(hints, hint{name: c.Expression, change: ch, count: c.Count})
		}
	}
	knownTypes := types()
	for name, n := range resourceTypes {
		if ch, ok := knownTypes[name]; ok {
			hints = append(hints, hint{name: name, change: ch, count: n, estimate: true})
		}
	}
	votes := map[string]int64{}
	var sum int64
	for _, h := range hints {
		sum += h.count
		for _, v := range h.versions {
			votes[v] += h.count
		}
	}
	if sum == 0 || sum*share < all {
		return ""
	}
	version := ""
	for _, v := range []string{stu3, r5, dstu2} { // where votes are equal, the more likely first
		if votes[v] > votes[version] {
			version = v
		}
	}
	hints = slices.DeleteFunc(hints, func(h hint) bool { return !slices.Contains(h.versions, version) })
	slices.SortFunc(hints, func(a, b hint) int {
		return cmp.Or(cmp.Compare(b.count, a.count), cmp.Compare(a.name, b.name))
	})
	return "These look like " + version + ": " + describe(hints) + "."
}

func describe(hints []hint) string {
	var parts []string
	for i, h := range hints {
		if i == shown {
			parts = append(parts, "…")
			break
		}
		text := fmt.Sprintf("%s × %s", thousands(h.count), h.name)
		if h.estimate {
			text = "resources of type " + h.name
		}
		if h.r4 != "" {
			text += ", which R4 calls " + h.r4
		} else {
			text += ", which R4 does not have"
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}

var resourceType = regexp.MustCompile(`"resourceType"\s*:\s*"([A-Za-z]{1,64})"`)

// typesOf estimates how many of the rejected lines name which resource type.
func typesOf(samples [][]byte, lines int64) map[string]int64 {
	counts := map[string]int64{}
	for _, s := range samples {
		if m := resourceType.FindSubmatch(s); m != nil {
			counts[string(m[1])]++
		}
	}
	for name, n := range counts {
		counts[name] = n * lines / int64(len(samples))
	}
	return counts
}

func thousands(n int64) string {
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
