package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"

	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// TestSuppliers imports what real suppliers deliver: nothing is lost, everything is accounted
// for, and a second time changes nothing.
func TestSuppliers(t *testing.T) {
	t.Parallel()
	folders := []string{"messy", "huge"}
	entries, err := os.ReadDir(data(t, "suppliers"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		folders = append(folders, filepath.Join("suppliers", e.Name()))
	}
	env := shared(t)
	for _, folder := range folders {
		t.Run(folder, func(t *testing.T) {
			t.Parallel()
			dataset := strings.ToLower(strings.NewReplacer(".", "-").Replace(filepath.Base(folder)))
			args := []string{"--max-rejects", "off", "--dataset", dataset, data(t, folder)}
			s := importJSON(t, env, args...)
			wantBalanced(t, "first import", s)
			wantLines(t, data(t, folder), s)
			wantReasons(t, env, s)

			again := importJSON(t, env, args...)
			wantBalanced(t, "second import", again)
			if r := again.Resources; r.Inserted != 0 || r.Deleted != s.Resources.Deleted && r.Deleted != 0 {
				t.Errorf("the second import inserted or deleted: %+v", r)
			}
			if folder == "suppliers/smart-bulk-10" {
				wantSmartBulk(t, s, again)
			}
			if folder == "suppliers/smart-generated-r4" && (s.Lines.Bundles != 4 || s.Resources.Seen-s.Lines.Plain != 2947) {
				t.Errorf("%d Bundles with %d entries, want 4 with 2947", s.Lines.Bundles, s.Resources.Seen-s.Lines.Plain)
			}
		})
	}
}

func wantSmartBulk(t *testing.T, first, again ledger.Status) {
	t.Helper()
	if first.State != ledger.StateComplete || first.Lines.Read != 7164 || first.Lines.Rejected != 4 || first.Resources.Inserted != 7160 || first.Resources.Total() != 7160 {
		t.Errorf("first: %s, lines %+v, resources %+v", first.State, first.Lines, first.Resources)
	}
	if again.State != ledger.StateComplete || again.Resources.Unchanged != 7160 || again.Resources.Total() != 7160 {
		t.Errorf("again: %s, resources %+v", again.State, again.Resources)
	}
}

// wantLines counts the lines of each file that was read whole, as zcat and wc would.
func wantLines(t *testing.T, folder string, s ledger.Status) {
	t.Helper()
	files := map[string]ledger.FileStatus{}
	for _, f := range s.Files {
		files[f.Name] = f
	}
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		f, ok := files[name]
		if !ok {
			if isFHIRName(name) {
				t.Errorf("%s was not read", name)
			}
			return nil
		}
		if f.State == "failed" {
			if f.Reason == "" {
				t.Errorf("%s failed without a reason", name)
			}
			return nil
		}
		lines, err := countLines(path)
		if err != nil {
			return err
		}
		// A file that is one document is one unit.
		if f.Lines != lines && f.Lines != 1 {
			t.Errorf("%s: %d lines, wc counts %d", name, f.Lines, lines)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func isFHIRName(name string) bool {
	name = strings.TrimSuffix(strings.TrimSuffix(strings.ToLower(name), ".gz"), ".zst")
	return strings.HasSuffix(name, ".ndjson") || strings.HasSuffix(name, ".jsonl") || strings.HasSuffix(name, ".json")
}

func countLines(path string) (int64, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	if bytes.HasPrefix(b, []byte{0x1f, 0x8b}) {
		r, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			return 0, err
		}
		var plain bytes.Buffer
		if _, err := plain.ReadFrom(r); err != nil {
			return 0, err
		}
		b = plain.Bytes()
	}
	n := int64(bytes.Count(b, []byte("\n")))
	if len(b) > 0 && b[len(b)-1] != '\n' {
		n++
	}
	return n, nil
}

// wantReasons: every reject names its file, line and reason.
func wantReasons(t *testing.T, env []string, s ledger.Status) {
	t.Helper()
	r := stoker(t, env, "", "rejects", s.Import.String())
	var n int64
	for scan := bufio.NewScanner(strings.NewReader(r.stdout)); scan.Scan(); n++ {
		var o struct {
			ResourceType string
			Extension    []struct {
				URL          string
				ValueString  string
				ValueDecimal json.Number
			}
			Issue []struct{ Severity, Code, Diagnostics string }
		}
		if err := json.Unmarshal(scan.Bytes(), &o); err != nil {
			t.Fatal(err)
		}
		found := map[string]bool{}
		for _, e := range o.Extension {
			if e.ValueString != "" || e.ValueDecimal != "" {
				found[e.URL[strings.LastIndexByte(e.URL, '/')+1:]] = true
			}
		}
		if o.ResourceType != "OperationOutcome" || len(o.Issue) == 0 || o.Issue[0].Diagnostics == "" || o.Issue[0].Code == "" || !found["file"] || !found["line"] || !found["offset"] {
			t.Errorf("a reject that does not say what and where: %s", scan.Text())
		}
	}
	if want := s.Lines.Rejected + s.Resources.Rejected; n != want {
		t.Errorf("%d rejects, the account says %d", n, want)
	}
}

// TestMendAndImportAgain: rejected lines come out as they went in, and go in again mended.
func TestMendAndImportAgain(t *testing.T) {
	t.Parallel()
	env := shared(t)
	file := filepath.Join(t.TempDir(), "in.ndjson")
	bad := []string{`{"resourceType":"Patient","id":"b",}`, `{"resourceType":"Patient","id":""}`, `not json`}
	content := `{"resourceType":"Patient","id":"a"}` + "\n\n" + strings.Join(bad, "\n")
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	s := importJSON(t, env, "--dataset", ownDataset(t), file)
	if s.Lines.Read != 5 || s.Lines.Blank != 1 || s.Lines.Rejected != 3 || s.Resources.Inserted != 1 {
		t.Errorf("lines %+v, resources %+v", s.Lines, s.Resources)
	}
	if got, want := stoker(t, env, "", "rejects", "--lines", s.Import.String()).stdout, strings.Join(bad, "\n")+"\n"; got != want {
		t.Errorf("rejected lines:\n%s\nwant\n%s", got, want)
	}
	if r := stoker(t, env, "", "import", "--dataset", ownDataset(t), "--strict", file); r.code != 3 {
		t.Errorf("--strict with rejects ended with %d, want 3", r.code)
	}
	r := stoker(t, env, strings.NewReplacer(",}", "}", `"id":""`, `"id":"c"`, "not json\n", "").Replace(strings.Join(bad, "\n")+"\n"), "import", "--dataset", ownDataset(t), "--json", "-")
	var mended ledger.Status
	if err := json.Unmarshal([]byte(r.stdout), &mended); err != nil {
		t.Fatalf("%v: %s", err, r.stderr)
	}
	if mended.Resources.Inserted != 2 || mended.Lines.Rejected != 0 {
		t.Errorf("mended: lines %+v, resources %+v", mended.Lines, mended.Resources)
	}
	if r := stoker(t, env, "", "rejects", mended.Import.String()); r.stdout != "" || !strings.Contains(r.stderr, "nothing of import "+mended.Import.String()+" was rejected") || r.code != 0 {
		t.Errorf("rejects of an import without any: %+v", r)
	}
}

// TestTrace follows a resource through several deliveries.
func TestTrace(t *testing.T) {
	t.Parallel()
	env := shared(t)
	dir := t.TempDir()
	for i := range 3 {
		file := filepath.Join(dir, fmt.Sprintf("%d.ndjson", i))
		if err := os.WriteFile(file, fmt.Appendf(nil, "\n{\"resourceType\":\"Patient\",\"id\":\"a\",\"active\":%v}\n", i == 1), 0o644); err != nil {
			t.Fatal(err)
		}
		importJSON(t, env, "--dataset", ownDataset(t), file)
	}
	r := stoker(t, env, "", "trace", "--dataset", ownDataset(t), "Patient/a", "--json")
	var trace struct {
		Deliveries []struct {
			File, Outcome string
			Line          int64
		}
		Stored struct{ Resource json.RawMessage }
	}
	if err := json.Unmarshal([]byte(r.stdout), &trace); err != nil {
		t.Fatalf("%v: %s", err, r.stderr)
	}
	for i, d := range trace.Deliveries {
		trace.Deliveries[i].File = filepath.Base(d.File)
	}
	got := fmt.Sprint(trace.Deliveries)
	if want := "[{0.ndjson inserted 2} {1.ndjson updated 2} {2.ndjson updated 2}]"; got != want {
		t.Errorf("deliveries %s, want %s", got, want)
	}
	if !strings.Contains(string(trace.Stored.Resource), `false`) {
		t.Errorf("stored %s", trace.Stored.Resource)
	}
}

// TestFailedFiles: a file that cannot be read fails with its reason, and the others go on.
func TestFailedFiles(t *testing.T) {
	t.Parallel()
	env := shared(t)
	dir := t.TempDir()
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	for i := range 20000 {
		_, _ = fmt.Fprintf(z, "{\"resourceType\":\"Patient\",\"id\":\"p%d\",\"gender\":\"%x\"}\n", i, i*7919)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{
		"cut.ndjson.gz":  packed.Bytes()[:packed.Len()/2],
		"good.ndjson":    []byte("{\"resourceType\":\"Patient\",\"id\":\"good\"}\n"),
		"torn.ndjson.gz": append(append(bytes.Clone(packed.Bytes()[:packed.Len()/3]), "garbage garbage"...), packed.Bytes()[packed.Len()/3:]...),
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r := stoker(t, env, "", "import", "--dataset", ownDataset(t), "--json", "--max-rejects", "off", dir, "http://127.0.0.1:1/none.ndjson")
	var s ledger.Status
	if err := json.Unmarshal([]byte(r.stdout), &s); err != nil {
		t.Fatalf("%v: %s", err, r.stderr)
	}
	if r.code != 1 || s.State != ledger.StateFailed || s.Reason == "" {
		t.Errorf("ended with %d, %s: %s", r.code, s.State, s.Reason)
	}
	wantBalanced(t, "with failed files", s)
	for _, f := range s.Files {
		want := map[string]string{"good.ndjson": "closed"}[f.Name]
		if want == "" {
			want = "failed"
		}
		if f.State != want || want == "failed" && f.Reason == "" {
			t.Errorf("%s: %s (%s), want %s", f.Name, f.State, f.Reason, want)
		}
		if strings.HasSuffix(f.Name, ".gz") && f.Lines == 0 {
			t.Errorf("%s: no lines, though its beginning can be read", f.Name)
		}
	}
}
