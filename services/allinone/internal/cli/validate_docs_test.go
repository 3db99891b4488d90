package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// examples is docs/validation-examples.md without the outputs. A line that begins with $ is
// run, in testdata/validate, or in the folder messy of the data beside the repository if what
// it names is there.
const examples = `# What stoker validate prints

The outputs are as they appear; a test compares them. See [validation.md](validation.md) for what
is checked, and ` + "`stoker validate --help`" + ` for all flags.

## An issue, and its place

A file of seven lines, all but the first and the blank third with mistakes. Line and column are the
first character of what is meant, then come where it is in the resource, what was expected, and
the issue type of an OperationOutcome. The caret shows the place in the source.

$ stoker validate Patient.ndjson

A file that is one document counts as one line, while issues name the line of its text. Of a
Bundle whose entries are imported one by one, the entry is named too. The counts name the
resource's type, wherever it was.

$ stoker validate sub

## Counts only

$ stoker validate --summary .

## Files of real projects

These are delivered so by open-source projects for their own tests. ` + "`--no-source`" + ` leaves the source
out, which may hold patients' data. First a document with wrong types:

$ stoker validate --no-source cumulus-etl/deid/input/MedicationDispense.json

One with a mistyped name of an element:

$ stoker validate --no-source ms-fhir-server/Normative/PatientWithUnknownElements.json

And a Bundle with resources of FHIR STU3, where hundreds of issues are a few kinds:

$ stoker validate --no-source --max-issues 5 bcda/bcdaworker/data/test/test.ndjson

## For programs

With ` + "`--json`" + ` there is one object at the end. It never has source or resources' ids.

| member | is |
|---|---|
| ` + "`valid`" + ` | whether there are no errors; the exit code tells the same |
| ` + "`totals`" + ` | ` + "`files`, `files_failed`" + ` (not read to their end), ` + "`lines`, `resources`, `with_errors`" + ` (resources that a strict import would reject), ` + "`with_warnings`" + ` (warnings, but no errors), ` + "`errors`, `warnings`" + ` (issues), ` + "`bytes`" + ` (decompressed), ` + "`seconds`" + ` |
| ` + "`counts`" + ` | by kind of issue, errors first, then the most frequent: ` + "`count`, `severity`, `code`, `expression`" + ` (without indexes), ` + "`diagnostics`, `first_file`, `first_line`, `first_column`" + `. The first 2,000 kinds; ` + "`counts_left_out`" + ` issues are of others |
| ` + "`issues`" + ` | the first ` + "`--max-issues`" + `, in the order of files and lines: ` + "`file`, `line`, `column`, `offset`" + ` (bytes, decompressed), ` + "`type`" + ` (of the resource), ` + "`entry`, `severity`, `code`, `expression`, `diagnostics`; `issues_left_out`" + ` is the number of the others |
| ` + "`files`" + ` | of each file its ` + "`name`" + `, the figures as in ` + "`totals`" + `, and why it ` + "`failed`" + ` |
| ` + "`skipped`" + ` | what folders have besides: ` + "`name`, `reason`" + ` |
| ` + "`interrupted`" + ` | there, and true, if it was stopped; the report is on what was checked before |

$ stoker validate --json --max-issues 1 sub
`

// TestValidationExamples: docs/validation-examples.md has what the commands print.
func TestValidationExamples(t *testing.T) {
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	own := filepath.Join(root, "testdata", "validate")
	for _, err := os.Stat(filepath.Join(root, "go.work")); err != nil; _, err = os.Stat(filepath.Join(root, "go.work")) {
		if root == filepath.Dir(root) {
			t.Fatal("no go.work above the test")
		}
		root = filepath.Dir(root)
	}
	messy := filepath.Join(filepath.Dir(root), "shared", "data", "messy")
	if _, err := os.Stat(messy); err != nil {
		t.Fatalf("the test needs the data beside the repository: %v", err)
	}
	var b strings.Builder
	for line := range strings.Lines(examples) {
		args, ok := strings.CutPrefix(line, "$ stoker ")
		if !ok {
			b.WriteString(line)
			continue
		}
		fields := strings.Fields(args)
		dir := messy
		if _, err := os.Stat(filepath.Join(messy, fields[len(fields)-1])); err != nil || fields[len(fields)-1] == "." {
			dir = own
		}
		t.Chdir(dir)
		a := command(t, nil, fields...)
		if a.code != 1 || a.stderr != "" {
			t.Errorf("%sended with %d: %s", line, a.code, a.stderr)
		}
		b.WriteString("```console\n" + line + a.out + "```\n")
	}
	page := filepath.Join(root, "docs", "validation-examples.md")
	if *update {
		if err := os.WriteFile(page, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if timeless(b.String()) != timeless(string(want)) {
		t.Errorf("not current: go test ./internal/cli -run TestValidationExamples -update; now\n%s", b.String())
	}
}
