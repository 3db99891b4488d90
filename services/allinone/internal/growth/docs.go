package growth

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// target is the number of resources that the documents plan for.
const target = 500e6

// Document fills in what was measured, and what follows, between the marks of a Markdown page:
//
//	<!-- begin measured -->
//	<!-- end measured -->
//
// and the same for machine, costs, hours, index and needs. plot is the path of the plot as seen from the page.
func (r *Report) Document(page []byte, plot string) ([]byte, error) {
	cost := r.Cost()
	for name, text := range map[string]string{
		"machine":  r.machine(),
		"measured": fmt.Sprintf("![rate and CPU time by number of resources](%s)\n\n%s\n%s\n", plot, markdown(r.rows(), false), r.summary()),
		"costs":    cost.Costs(target),
		"hours":    r.here(cost),
		"needs":    cost.Needs(target, 8*3600, 3600, 900),
		"index":    r.index(cost),
	} {
		var err error
		if page, err = fill(page, name, text); err != nil {
			return nil, err
		}
	}
	return page, nil
}

// fill puts text between the marks of a name.
func fill(page []byte, name, text string) ([]byte, error) {
	begin, end := fmt.Appendf(nil, "<!-- begin %s -->\n", name), fmt.Appendf(nil, "<!-- end %s -->\n", name)
	before, rest, ok := bytes.Cut(page, begin)
	if !ok {
		return nil, fmt.Errorf("the page has no line %q", bytes.TrimSpace(begin))
	}
	_, after, ok := bytes.Cut(rest, end)
	if !ok {
		return nil, fmt.Errorf("the page has no line %q after %q", bytes.TrimSpace(end), bytes.TrimSpace(begin))
	}
	return slices.Concat(before, begin, []byte(text), end, after), nil
}

func (r *Report) machine() string {
	var settings []string
	for _, name := range slices.Sorted(maps.Keys(r.PostgreSQL)) {
		settings = append(settings, fmt.Sprintf("`%s=%s`", name, r.PostgreSQL[name]))
	}
	return fmt.Sprintf("One machine for everything: %d cores, %.0f GB of memory. PostgreSQL with %s.\n",
		r.Cores, float64(r.Memory)/1e9, strings.Join(settings, ", "))
}

// here is how long the target takes on the machine that was measured.
func (r *Report) here(c Cost) string {
	var cpu float64
	for _, p := range processes {
		cpu += c.CPU[p]
	}
	return fmt.Sprintf("```\ncores in use = CPU s/M × rate / 10⁶ = %.1f × %.0f / 10⁶ = %.2f of %d\n"+
		"hours        = resources / rate / 3600 = %.0f × 10⁶ / %.0f / 3600 = %.1f\n```\n",
		cpu, c.Rate, cpu*c.Rate/1e6, r.Cores, target/1e6, c.Rate, target/c.Rate/3600)
}

// index is how large the indexes of the target are, and what that means for memory and WAL.
func (r *Report) index(c Cost) string {
	const pageBytes = 8192
	all := c.Sizes["indexes"] * target / 1e6
	return fmt.Sprintf("```\nindexes = %.0f bytes × %.0f × 10⁶ = %.0f GB = %.1f × 10⁶ pages of 8 KiB\n```\n",
		c.Sizes["indexes"]/1e6, target/1e6, all/1e9, all/pageBytes/1e6)
}
