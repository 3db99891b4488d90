package conformance

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/stoker-fhir/stoker/services/parser/internal/datatest"
)

// messy reads the documents that projects ship, and compares with the verdicts of the JSON
// schema in INDEX.tsv.
func messy(r *report) error {
	dir, err := datatest.Dir("messy")
	if err != nil {
		return err
	}
	index, err := os.ReadFile(filepath.Join(dir, "INDEX.tsv"))
	if err != nil {
		return err
	}
	reader, err := r.reader()
	if err != nil {
		return err
	}
	more := map[string]int{}
	err = lines(index, func(number int, row []byte) error {
		fields := strings.Split(string(row), "\t")
		if number == 1 || len(fields) > 6 && fields[6] == "blank" {
			return nil
		}
		if len(fields) < 7 {
			return fmt.Errorf("INDEX.tsv: row %d has %d fields", number, len(fields))
		}
		fields = append(fields, make([]string, max(0, 10-len(fields)))...)
		doc, err := document(filepath.Join(dir, filepath.FromSlash(fields[0])), fields[5])
		if err != nil {
			return err
		}
		name, verdict := fields[0]+" "+fields[5], fields[9]
		isBad := verdict != "ok" || fields[6] != "ok" // not JSON, or no resource
		issues, refused := reader.errorsOf(doc)
		switch found := classOf(doc, issues); {
		case isBad && (refused != nil || len(issues) > 0), !isBad && refused == nil && len(issues) == 0:
			r.judge(name, messyArgued, "")
		case isBad:
			r.judge(name, messyArgued, "has no error; the schema has: "+verdict)
		case refused != nil:
			r.judge(name, messyArgued, "is refused: "+refused.Error())
		case found == seen:
			r.judge(name, messyArgued, "the schema takes it: "+show(issues))
		default:
			project, _, _ := strings.Cut(fields[0], "/")
			more[project+", "+found]++
		}
		return nil
	})
	r.argueMore(more)
	return err
}

// argueMore counts what has errors of classes that the schema does not see.
func (r *report) argueMore(more map[string]int) {
	for name, n := range more {
		_, found, _ := strings.Cut(name, ", ")
		r.argued(name, n, whyUnseen(found))
	}
}

// document returns a line of a file, or for line 0 the whole of it.
func document(path, line string) ([]byte, error) {
	body, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	body = bytes.TrimPrefix(body, []byte("\ufeff")) // the fetcher does
	number, err := strconv.Atoi(line)
	if err != nil {
		return nil, fmt.Errorf("%s: line %q: %w", path, line, err)
	}
	if number == 0 {
		return body, nil
	}
	all := bytes.Split(body, []byte("\n"))
	if number > len(all) {
		return nil, fmt.Errorf("%s: no line %d", path, number)
	}
	return all[number-1], nil
}
