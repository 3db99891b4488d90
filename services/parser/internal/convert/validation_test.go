package convert

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stoker-fhir/stoker/pkg/fhirdef"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// definitions is the checksum that an import pins which is validated.
func definitions(t testing.TB) string {
	t.Helper()
	d, err := fhirdef.Load(fhirmsg.FHIRVersionR4)
	if err != nil {
		t.Fatal(err)
	}
	return d.Checksum
}

// reports shows rejects and, with a + before them, reports of what was stored, one issue a line.
func reports(out Output) (lines []string) {
	for _, group := range out.Rejects {
		for _, r := range group.Items {
			for _, i := range r.Issues {
				line := fmt.Sprintf("%d/%d %d:%d %s/%s %s %s", r.Line, r.Entry, i.Line, i.Column, r.Type, r.ID, i.Code, i.Expression)
				if r.Stored {
					line = "+" + line
				}
				lines = append(lines, line)
			}
		}
	}
	return lines
}

func TestValidation(t *testing.T) {
	t.Parallel()
	const (
		good    = `{"resourceType":"Patient","id":"p1","gender":"male"}`
		bad     = `{"resourceType":"Patient","id":"p2", "gender":"m","birthDate":"1970-02-30"}`
		warned  = `{"resourceType":"NutritionOrder","id":"n","status":"active","intent":"order","patient":{"reference":"Patient/p"},"dateTime":"2020"}`
		unusual = `{"resourceType":"Patient","id":"p_1","meta":{"lastUpdated":"never"}}`
		broken  = `{"resourceType":"Patient","gender":"m","id":"p3"`
		noID    = `{"resourceType":"Patient","gender":"m"}`
		pretty  = "{\n \"resourceType\": \"Patient\",\n \"id\": \"p1\",\n \"name\": [{\"text\": \"Zoë\", \"famly\": \"x\"}]\n}"
		batch   = `{"resourceType":"Bundle","type":"batch","total":1,"entry":[` +
			`{"request":{"method":"PUT","url":"Patient/p1"},"resource":` + good + `},` +
			`{"request":{"method":"PUT","url":"Patient/p2"},"resource":` + bad + `}]}`
	)
	document := func(c *fhirmsg.Chunk) { c.Document, c.Lines = true, 1 }
	tests := []struct {
		name, body   string
		validation   fhirmsg.Validation
		change       func(*fhirmsg.Chunk)
		rows         int
		reports      []string
		counts       []string
		issuesStored int64
	}{
		{"strict", good + "\n" + bad + "\n" + bad, "strict", nil, 1,
			[]string{"2/0 2:47 Patient/p2 code-invalid Patient.gender", "2/0 2:63 Patient/p2 value Patient.birthDate",
				"3/0 3:47 Patient/p2 code-invalid Patient.gender", "3/0 3:63 Patient/p2 value Patient.birthDate"},
			[]string{"2 error code-invalid Patient.gender from 2", "2 error value Patient.birthDate from 2"}, 0},
		{"warn", good + "\n" + bad, "warn", nil, 2,
			[]string{"+2/0 2:47 Patient/p2 code-invalid Patient.gender", "+2/0 2:63 Patient/p2 value Patient.birthDate"},
			[]string{"1 error code-invalid Patient.gender from 2", "1 error value Patient.birthDate from 2"}, 2},
		{"off", good + "\n" + bad, "off", nil, 2, nil, nil, 0},
		{"a warning does not reject", warned, "strict", nil, 1,
			[]string{"+1/0 1:1 NutritionOrder/n invariant NutritionOrder"}, []string{"1 warning invariant NutritionOrder from 1"}, 1},
		{"what the key needs is reported whatever the mode", unusual, "off", nil, 1,
			[]string{"+1/0 1:1 Patient/p_1 value Patient.meta.lastUpdated", "+1/0 1:1 Patient/p_1 value Patient.id"},
			[]string{"1 error value Patient.meta.lastUpdated from 1", "1 error value Patient.id from 1"}, 2},
		{"and once", unusual, "warn", nil, 1,
			[]string{"+1/0 1:32 Patient/p_1 value Patient.id", "+1/0 1:60 Patient/p_1 value Patient.meta.lastUpdated"},
			[]string{"1 error value Patient.id from 1", "1 error value Patient.meta.lastUpdated from 1"}, 2},
		{"what is not JSON is nothing else", broken, "strict", nil, 0, []string{"1/0 1:49 Patient/p3 structure "}, []string{"1 error structure  from 1"}, 0},
		{"no id", noID, "warn", nil, 0, []string{"1/0 1:1 Patient/ required Patient.id", "1/0 1:36 Patient/ code-invalid Patient.gender"},
			[]string{"1 error required Patient.id from 1", "1 error code-invalid Patient.gender from 1"}, 0},
		{"line and column in a document", pretty, "warn", document, 1, []string{"+1/0 4:27 Patient/p1 structure Patient.name[0].famly"},
			[]string{"1 error structure Patient.name.famly from 1"}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			out := convertValidated(t, tt.body, tt.validation, tt.change)
			wantReports(t, out, tt.rows, tt.reports, tt.counts)
			if out.Statement.Issues != tt.issuesStored {
				t.Errorf("%d issues on what was stored, want %d", out.Statement.Issues, tt.issuesStored)
			}
		})
	}
	t.Run("Bundle", func(t *testing.T) {
		t.Parallel()
		counts := []string{"1 error code-invalid Patient.gender from 1", "1 error value Patient.birthDate from 1", "1 error invariant Bundle from 1"}
		entry := []string{
			"1/2 1:276 Patient/p2 code-invalid Bundle.entry[1].resource.gender",
			"1/2 1:292 Patient/p2 value Bundle.entry[1].resource.birthDate",
		}
		own := "+1/0 1:1 Bundle/ invariant Bundle"
		wantReports(t, convertValidated(t, batch, "strict", nil), 1, []string{entry[0], entry[1], own}, counts)
		wantReports(t, convertValidated(t, batch, "warn", nil), 2, []string{"+" + entry[0], "+" + entry[1], own}, counts)
	})
}

func convertValidated(t *testing.T, body string, v fhirmsg.Validation, change func(*fhirmsg.Chunk)) Output {
	t.Helper()
	c := newChunk(body)
	c.Import.Validation, c.Import.Definitions = v, definitions(t)
	if change != nil {
		change(&c)
	}
	return mustConvert(t, New(Options{}), c)
}

func wantReports(t *testing.T, out Output, rows int, wantReports, wantCounts []string) {
	t.Helper()
	if records, _ := describe(out); len(records) != rows {
		t.Errorf("%d records, want %d", len(records), rows)
	}
	if got, want := strings.Join(reports(out), "\n"), strings.Join(wantReports, "\n"); got != want {
		t.Errorf("reports\n%s\nwant\n%s", got, want)
	}
	var counts []string
	for _, c := range out.Statement.IssueCounts {
		counts = append(counts, fmt.Sprintf("%d %s %s %s from %d", c.Count, c.Severity, c.Code, c.Expression, c.Line))
	}
	if got, want := strings.Join(counts, "\n"), strings.Join(wantCounts, "\n"); got != want {
		t.Errorf("counts\n%s\nwant\n%s", got, want)
	}
}

// TestReportsAreBounded: far into a file, one mistake in every line makes one report a chunk,
// and is counted in full.
func TestReportsAreBounded(t *testing.T) {
	t.Parallel()
	body := strings.Repeat(`{"resourceType":"Patient","id":"p","gender":"m"}`+"\n", 100)
	for _, tt := range []struct {
		offset int64
		want   int
	}{{0, 100}, {reportedInFull, 1}} {
		out := convertValidated(t, body, "warn", func(c *fhirmsg.Chunk) { c.Offset = tt.offset })
		if got := len(reports(out)); got != tt.want || out.Statement.Issues != 100 || out.Statement.IssueCounts[0].Count != 100 {
			t.Errorf("at %d: %d reports, %d issues, counts %+v; want %d reports", tt.offset, got, out.Statement.Issues, out.Statement.IssueCounts, tt.want)
		}
	}
}

// TestOtherDefinitions: a chunk whose import pins other definitions is handed back (invariant 9).
func TestOtherDefinitions(t *testing.T) {
	t.Parallel()
	c := newChunk(`{"resourceType":"Patient","id":"p"}`)
	c.Import.Validation, c.Import.Definitions = fhirmsg.ValidationStrict, "other"
	if _, err := New(Options{}).Convert(c); err == nil || !strings.Contains(err.Error(), ErrUnsupported.Error()) {
		t.Errorf("error %v, want %v", err, ErrUnsupported)
	}
}
