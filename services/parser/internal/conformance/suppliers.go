package conformance

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/stoker-fhir/stoker/services/parser/internal/datatest"
	"github.com/stoker-fhir/stoker/services/parser/internal/resource"
)

// schemaBad is how many resources of a supplier the JSON schema rejects, and for what.
type schemaBad struct {
	bad     int
	reasons map[string]int // numbers of resources by the words of the schema
	others  int            // lines that are not resources
}

var (
	heading    = regexp.MustCompile(`(?m)^## suppliers/(\S+)$`)
	badLine    = regexp.MustCompile(`(?m)^- schema-bad: (\d+) of \d+(?: \((.*)\))?$`)
	additional = regexp.MustCompile(`^(\S+) should NOT have additional properties$`)
	missing    = regexp.MustCompile(`^(\S+) should have required property '(\w+)'$`)
	allowed    = regexp.MustCompile(`^(\S+) should be equal to one of the allowed values$`)
	typed      = regexp.MustCompile(`^(\S+) should be (array|object|string|number|boolean)$`)
	noResource = regexp.MustCompile(`(?m)^- types:.*\(not a resource\) (\d+)`)
	pattern    = regexp.MustCompile(`^(\S+) should match pattern`)
)

// schemaVerdicts reads the verdicts of the JSON schema from SOURCES.md.
func schemaVerdicts() (map[string]schemaBad, error) {
	dir, err := datatest.Dir("suppliers")
	if err != nil {
		return nil, err
	}
	sources, err := os.ReadFile(filepath.Join(filepath.Dir(dir), "SOURCES.md"))
	if err != nil {
		return nil, err
	}
	verdicts := map[string]schemaBad{}
	text := string(sources)
	for _, at := range heading.FindAllStringSubmatchIndex(text, -1) {
		section, _, _ := strings.Cut(text[at[1]:], "\n## ")
		line := badLine.FindStringSubmatch(section)
		if line == nil {
			return nil, fmt.Errorf("SOURCES.md: nothing about the schema under %s", text[at[0]:at[1]])
		}
		v := schemaBad{reasons: map[string]int{}}
		if v.bad, err = strconv.Atoi(line[1]); err != nil {
			return nil, err
		}
		if m := noResource.FindStringSubmatch(section); m != nil {
			if v.others, err = strconv.Atoi(m[1]); err != nil {
				return nil, err
			}
		}
		for part := range strings.SplitSeq(line[2], "; ") {
			if i := strings.LastIndex(part, ": "); i >= 0 {
				if v.reasons[part[:i]], err = strconv.Atoi(part[i+2:]); err != nil {
					return nil, err
				}
			}
		}
		verdicts[text[at[2]:at[3]]] = v
	}
	return verdicts, nil
}

// isFor reports whether an issue is what the schema says.
func isFor(reason string, i resource.Issue) bool {
	at := withoutIndexes(i.Expression)
	path := func(m []string) string { return strings.ReplaceAll(m[1], "[]", "") }
	if m := additional.FindStringSubmatch(reason); m != nil {
		return i.Code == "structure" && strings.HasPrefix(i.Message, "unknown element") && (parentOf(at) == path(m) || at == path(m))
	}
	if m := missing.FindStringSubmatch(reason); m != nil {
		return i.Code == "required" && at == path(m)+"."+m[2]
	}
	if m := allowed.FindStringSubmatch(reason); m != nil {
		return i.Code == "code-invalid" && at == path(m)
	}
	if m := typed.FindStringSubmatch(reason); m != nil {
		return i.Code == "structure" && at == path(m)
	}
	if m := pattern.FindStringSubmatch(reason); m != nil {
		return i.Code == "value" && at == path(m)
	}
	return false
}

// suppliers reads all resources of suppliers. Each has an error for what the JSON schema
// rejects, in the numbers of SOURCES.md, or for what the schema does not see.
func suppliers(r *report) error {
	verdicts, err := schemaVerdicts()
	if err != nil {
		return err
	}
	for name, verdict := range verdicts {
		if err := supplier(r, name, verdict); err != nil {
			return err
		}
	}
	return nil
}

func supplier(r *report, name string, verdict schemaBad) error {
	reader, err := r.reader()
	if err != nil {
		return err
	}
	all, err := datatest.Supplier(name)
	if err != nil {
		return err
	}
	more, reasons := map[string]int{}, map[string]int{}
	agreed, others := 0, 0
	unlisted := verdict.bad // by the schema for reasons that are not among those of SOURCES.md
	for reason, n := range verdict.reasons {
		unlisted -= n
		if why, ok := suppliersArguedFor[name][reason]; ok {
			r.argued(name+", "+reason, n, why)
			reasons[reason] = n
			agreed -= n // they are among those without error
		}
	}
	err = lines(all, func(number int, line []byte) error {
		issues, refused := reader.errorsOf(line)
		found := classOf(line, issues)
		isBundle := string(reader.checked.Document().ResourceType.Text) == "Bundle" // not judged by the schema
		if reason := verdict.reasonFor(issues); reason != "" && reasons[reason] < verdict.reasons[reason] && !isBundle {
			reasons[reason]++
			agreed++
			return nil
		}
		switch {
		case errors.Is(refused, errNoResource):
			others++
			agreed++
		case refused != nil:
			r.wrong(fmt.Sprintf("%s, line %d", name, number), nil, "is refused: %v", refused)
		case len(issues) == 0:
			agreed++
		case found == seen && unlisted > 0:
			unlisted--
			agreed++
		case found == seen:
			r.wrong(fmt.Sprintf("%s, line %d", name, number), nil, "the schema takes it: %s", show(issues))
		default:
			more[name+", "+found]++
		}
		return nil
	})
	for reason, want := range verdict.reasons {
		if got := reasons[reason]; got < want {
			r.wrong(name+", "+reason, nil, "%d resources have an error for it, want %d", got, want)
		}
	}
	if unlisted > 0 {
		r.wrong(name, nil, "the schema rejects %d resources more", unlisted)
	}
	if others != verdict.others {
		r.wrong(name, nil, "%d lines are no resources, want %d", others, verdict.others)
	}
	r.agreed(agreed)
	r.argueMore(more)
	return err
}

// reasonFor returns what the schema says of a resource with some issues, or "".
func (v schemaBad) reasonFor(issues []resource.Issue) string {
	for reason := range v.reasons {
		for _, i := range issues {
			if isFor(reason, i) {
				return reason
			}
		}
	}
	return ""
}
