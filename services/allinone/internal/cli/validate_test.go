package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/lifecycle"
)

var update = flag.Bool("update", false, "write the golden files and docs/validation-examples.md again")

const (
	goodPatient = `{"resourceType":"Patient","id":"a","gender":"male"}`
	badPatient  = `{"resourceType":"Patient","id":"b","gender":male}`
)

// answer is what a run of the command line gave.
type answer struct {
	code        int
	out, stderr string
}

// command runs the command line in this process.
func command(t *testing.T, stdin io.Reader, args ...string) answer {
	t.Helper()
	return commandIn(t.Context(), stdin, args...)
}

func commandIn(ctx context.Context, stdin io.Reader, args ...string) answer {
	var out, stderr bytes.Buffer
	err := Run(ctx, args, IO{In: stdin, Out: &out, Err: &stderr})
	a := answer{out: out.String(), stderr: stderr.String()}
	exit := lifecycle.Exit{}
	switch {
	case errors.As(err, &exit):
		a.code = exit.Code
		if exit.Err != nil {
			a.stderr += exit.Error()
		}
	case err != nil:
		a.code = 1
		a.stderr += err.Error()
	}
	return a
}

// write makes a file and returns its path.
func write(t *testing.T, dir, name, content string) string {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func packed(t *testing.T, content string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// timeless replaces what differs from run to run.
func timeless(text string) string {
	text = regexp.MustCompile(`[0-9.]+ s, [0-9.]+ MB/s`).ReplaceAllString(text, "0.1 s, 10.0 MB/s")
	return regexp.MustCompile(`"seconds": [0-9.e-]+`).ReplaceAllString(text, `"seconds": 0.1`)
}

// TestValidateExitCodes also looks for what the output must have.
func TestValidateExitCodes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	good, bad := write(t, dir, "good.ndjson", goodPatient+"\n"), write(t, dir, "bad.ndjson", goodPatient+"\n\n"+badPatient+"\n")
	lines := strings.Repeat(goodPatient+"\n", 1000)
	zipped := packed(t, lines)
	write(t, dir, "folder/a/good.json", goodPatient)
	write(t, dir, "folder/b.ndjson.gz", packed(t, badPatient))
	write(t, dir, "folder/readme.txt", "")
	write(t, dir, "other/readme.txt", "")
	tests := []struct {
		name  string
		stdin string
		args  []string
		code  int
		want  []string
	}{
		{"good", "", []string{good}, 0, []string{"1 file, 1 line, 1 resource: 0 with errors, 0 with warnings; "}},
		{"bad", "", []string{bad}, 1, []string{bad + ":3:45: error: not JSON", "1 file, 3 lines, 2 resources: 1 with errors"}},
		{"two", "", []string{good, bad}, 1, []string{"2 files, 4 lines, 3 resources: 1 with errors"}},
		{"empty file", "", []string{write(t, dir, "empty.ndjson", "")}, 0, []string{"1 file, 0 lines, 0 resources"}},
		{"folder", "", []string{filepath.Join(dir, "folder")}, 1, []string{"folder/b.ndjson.gz:1:45: error", "2 files, 2 lines", "1 file in the folders passed over"}},
		{"folder without files", "", []string{filepath.Join(dir, "other")}, 1, []string{"other: error: nothing to check", "1 file (1 not read to the end)"}},
		{"standard input", goodPatient, []string{"-"}, 0, []string{"1 file, 1 line"}},
		{"bad standard input", badPatient, []string{"-"}, 1, []string{"<stdin>:1:45: error"}},
		{"compressed standard input", zipped, []string{"-"}, 0, []string{"1 file, 1,000 lines"}},
		{"truncated", "", []string{write(t, dir, "cut.ndjson.gz", zipped[:len(zipped)-9])}, 1, []string{"cut.ndjson.gz:1001: error: the compressed content is cut short", "1 file (1 not read to the end), 1,000 lines, 1,000 resources: 0 with errors"}},
		{"document over lines", "{\n  \"resourceType\": \"Patient\",\n  \"id\": a\n}\n", []string{"-"}, 1, []string{"<stdin>:3:9: error", "    \"id\": a\n          ^\n"}},
		{"byte order mark and CRLF", "\ufeff" + goodPatient + "\r\n" + badPatient + "\r\n", []string{"-"}, 1, []string{"<stdin>:2:45: error", "1 file, 2 lines, 2 resources: 1 with errors"}},
		{"header line", `{"resourceType":"Parameters","parameter":[{"name":"header"}]}`, []string{"-"}, 0, []string{"1 line, 0 resources"}},
		{"no arguments", "", nil, 2, []string{"name at least one"}},
		{"no such file", "", []string{filepath.Join(dir, "missing")}, 2, []string{"no such file"}},
		{"twice standard input", "", []string{"-", "-"}, 2, []string{"once"}},
		{"negative", "", []string{"--max-issues", "-1", good}, 2, []string{"--max-issues -1"}},
		{"unknown flag", "", []string{"--strict", good}, 2, []string{"unknown flag"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := command(t, strings.NewReader(tt.stdin), append([]string{"validate"}, tt.args...)...)
			text := a.out + a.stderr
			for _, want := range tt.want {
				if !strings.Contains(text, want) {
					t.Errorf("lacks %q:\n%s", want, text)
				}
			}
			if a.code != tt.code {
				t.Errorf("ended with %d, want %d:\n%s", a.code, tt.code, text)
			}
			if tt.code != 2 && a.stderr != "" {
				t.Errorf("without a terminal wrote to standard error: %s", a.stderr)
			}
		})
	}
}

// TestValidateGolden compares the whole output.
func TestValidateGolden(t *testing.T) {
	t.Chdir("testdata/validate")
	for name, args := range map[string][]string{
		"shown":     {"."},
		"summary":   {"--summary", "."},
		"no-source": {"--no-source", "--max-issues", "3", "Patient.ndjson"},
		"json":      {"--json", "--max-issues", "4", "."},
	} {
		t.Run(name, func(t *testing.T) {
			a := command(t, nil, append([]string{"validate"}, args...)...)
			got := timeless(a.out)
			golden := filepath.Join("..", name+".golden")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) || a.code != 1 {
				t.Errorf("ended with %d; got\n%s\nwant\n%s", a.code, got, want)
			}
		})
	}
}

// TestValidateJSON: the report adds up, and is in the order of files and lines, however many
// work on it.
func TestValidateJSON(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const files, each, bad = 30, 5000, 7
	for f := range files {
		var b strings.Builder
		for l := range each {
			if l%(each/bad) == f && l/(each/bad) < bad {
				b.WriteString(badPatient + "\n")
			} else {
				b.WriteString(goodPatient + "\n")
			}
		}
		write(t, dir, fmt.Sprintf("%02d.ndjson", f), b.String())
	}
	a := command(t, nil, "validate", "--json", "--max-issues", "150", dir)
	var r report
	if err := json.Unmarshal([]byte(a.out), &r); err != nil || a.code != 1 {
		t.Fatalf("ended with %d, %v: %s", a.code, err, a.out)
	}
	if r.Valid || r.Totals.Files != files || r.Totals.Lines != files*each || r.Totals.Resources != files*each ||
		r.Totals.WithErrors != files*bad || r.Totals.Errors != files*bad {
		t.Errorf("totals %+v", r.Totals)
	}
	if len(r.Counts) != 1 || r.Counts[0].Count != files*bad || r.Counts[0].Line != 1 {
		t.Errorf("counts %+v", r.Counts)
	}
	if len(r.Issues) != 150 || r.LeftOut != files*bad-150 {
		t.Fatalf("%d issues, %d left out", len(r.Issues), r.LeftOut)
	}
	for n, i := range r.Issues {
		f, nth := n/bad, n%bad
		file, line := filepath.ToSlash(filepath.Join(dir, fmt.Sprintf("%02d.ndjson", f))), int64(nth*(each/bad)+f+1)
		if offset := (line-1)*int64(len(goodPatient)+1) - int64(nth)*2 + 44; i.File != file || i.Line != line || i.Column != 45 || i.Offset != offset {
			t.Fatalf("issue %d is at %s:%d:%d, offset %d; want %s:%d:45, offset %d", n, i.File, i.Line, i.Column, i.Offset, file, line, offset)
		}
	}
	for n, f := range r.Files {
		if f.Lines != each || f.WithErrors != bad || !strings.HasSuffix(f.Name, fmt.Sprintf("%02d.ndjson", n)) {
			t.Errorf("file %d: %+v", n, f)
		}
	}
	if strings.Contains(a.out, "resourceType") {
		t.Error("the report holds source")
	}
}

// TestValidateLongLines: a line over the limit, and one as long as nearly that.
func TestValidateLongLines(t *testing.T) {
	t.Parallel()
	long := func(n int, rest string) string {
		return `{"resourceType":"Patient","id":"a","x":"` + strings.Repeat("y", n) + `"` + rest + "\n"
	}
	content := long(fhirmsg.DefaultMaxLine-100, ",") + long(fhirmsg.DefaultMaxLine, "}") + badPatient + "\n"
	a := command(t, strings.NewReader(content), "validate", "-")
	column := len(`{"resourceType":"Patient","id":"a","x":""`) + fhirmsg.DefaultMaxLine - 100 + 2
	for _, want := range []string{fmt.Sprintf("<stdin>:1:%d: error", column), "<stdin>:2:1: error: the line is too long", "<stdin>:3:45: error", "3 lines, 3 resources: 3 with errors"} {
		if !strings.Contains(a.out, want) {
			t.Errorf("lacks %q:\n%s", want, a.out)
		}
	}
}

// TestValidateInterrupted: Ctrl-C ends it promptly, even while nothing comes, with what was
// found until then.
func TestValidateInterrupted(t *testing.T) {
	t.Parallel()
	in, feed := io.Pipe()
	defer feed.Close() //nolint:errcheck // never fails
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan answer)
	go func() { done <- commandIn(ctx, in, "validate", "-") }()
	if _, err := io.WriteString(feed, strings.Repeat(badPatient+"\n", 1+2*fhirmsg.DefaultChunkSize/len(badPatient))); err != nil {
		t.Fatal(err)
	}
	cancel()
	select {
	case a := <-done:
		if a.code != 1 || !strings.Contains(a.out, "interrupted; so far: ") {
			t.Errorf("ended with %d: %s%s", a.code, a.out, a.stderr)
		}
	case <-time.After(time.Minute):
		t.Fatal("goes on")
	}
}

// TestValidateKinds: names of unknown elements are the data's; they do not fill the memory.
func TestValidateKinds(t *testing.T) {
	t.Parallel()
	r := newReport(0)
	for i := range 2 * maxKinds {
		r.count(kindCount{Count: 2, kind: kind{Expression: fmt.Sprint("Patient.", i)}})
	}
	if len(r.Counts) != maxKinds || r.OtherCount != 2*maxKinds {
		t.Errorf("%d kinds, %d others", len(r.Counts), r.OtherCount)
	}
}
