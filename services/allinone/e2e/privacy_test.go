package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stoker-fhir/stoker/pkg/pgtest"
)

// TestNoPatientDataInLogs: what is refused, by the parser or by PostgreSQL, appears in no log
// (invariant 8).
func TestNoPatientDataInLogs(t *testing.T) {
	t.Parallel()
	home := pgtest.Dir(t)
	env, p := up(t, home, ownPostgreSQL, "STOKER_LOG_LEVEL=debug")
	marker := "Zanzibarowski"
	lines := []string{
		`{"resourceType":"Patient","id":"good","name":[{"family":"` + marker + `"}]}`,
		`{"resourceType":"Patient","id":"` + marker + `","name":`,
		`{"resourceType":"` + marker + `"}`,
		`{"resourceType":"Patient","id":"` + marker + `/x"}`,
		`{"resourceType":"Patient","id":"taken","name":[{"family":"` + marker + `"}],"active":false}`,
	}
	file := filepath.Join(t.TempDir(), "in.ndjson")
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o644); err != nil {
		t.Fatal(err)
	}
	importJSON(t, env, file)
	// A constraint that the data breaks makes PostgreSQL itself complain.
	if r := stoker(t, env, "", "psql", "-c", `ALTER TABLE fhir.patient ADD CONSTRAINT active_only CHECK ((resource->>'active') IS NULL) NOT VALID`); r.code != 0 {
		t.Fatal(r.stderr)
	}
	if s := importJSON(t, env, "--json", file); s.Resources.Rejected != 1 || s.Lines.Rejected != 3 {
		t.Errorf("lines %+v, resources %+v", s.Lines, s.Resources)
	}
	if strings.Contains(p.output(), marker) {
		t.Errorf("the log of stoker up tells a patient's name:\n%s", p.output())
	}
	logs := 0
	err := filepath.WalkDir(home, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".log" {
			return err
		}
		logs++
		b, err := os.ReadFile(path)
		if strings.Contains(string(b), marker) {
			t.Errorf("%s tells a patient's name", path)
		}
		return err
	})
	if err != nil || logs == 0 {
		t.Errorf("%d log files looked at, %v", logs, err)
	}
}
