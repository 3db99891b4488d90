package conformance

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/stoker-fhir/stoker/services/parser/internal/datatest"
)

// example is one of the specification's, with what its index says of it.
type example struct {
	name string // Patient/example
	doc  []byte
	note string // what HL7's JSON schema has against it
}

func (e example) typ() string {
	typ, _, _ := strings.Cut(e.name, "/")
	return typ
}

// officialExamples returns the examples of the specification.
func officialExamples() ([]example, error) {
	files, err := datatest.Files("r4-examples")
	if err != nil {
		return nil, err
	}
	var all []example
	for _, file := range files {
		stem, ok := strings.CutSuffix(file, ".ndjson.gz")
		if !ok {
			continue
		}
		body, err := datatest.Read(file)
		if err != nil {
			return nil, err
		}
		index, err := datatest.Read(stem + ".index.tsv")
		if err != nil {
			return nil, err
		}
		rows := bytes.Split(bytes.TrimSuffix(index, []byte("\n")), []byte("\n"))
		err = lines(body, func(number int, line []byte) error {
			if number >= len(rows) {
				return fmt.Errorf("%s.index.tsv: no row for line %d", stem, number)
			}
			fields := strings.Split(string(rows[number]), "\t")
			if len(fields) != 6 {
				return fmt.Errorf("%s.index.tsv: row %d has %d fields, want 6", stem, number, len(fields))
			}
			all = append(all, example{fields[1] + "/" + fields[2], line, fields[5]})
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// examples reads the examples of the specification: none has an error, save those that break
// its rules.
func examples(r *report) error {
	all, err := officialExamples()
	if err != nil {
		return err
	}
	reader, err := r.reader()
	if err != nil {
		return err
	}
	for _, e := range all {
		issues, err := reader.errorsOf(e.doc)
		difference := show(issues)
		if err != nil {
			difference = "is refused: " + err.Error()
		}
		why := arguments{}
		if b, ok := brokenExamples[e.name]; ok && err == nil {
			why[e.name] = b.why
			for _, i := range issues {
				if !slices.Contains(strings.Fields(b.at), withoutIndexes(i.Expression)) { // the argument is not for this one
					delete(why, e.name)
				}
			}
		}
		r.judge(e.name, why, difference)
	}
	return nil
}
