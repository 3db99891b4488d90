package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/exporttest"
	"github.com/stoker-fhir/stoker/pkg/fhirservertest"
)

// blocks are the texts of a page's blocks of code in a language.
func blocks(t *testing.T, page, language string) (list []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", filepath.FromSlash(page)))
	if err != nil {
		t.Fatal(err)
	}
	for i, part := range strings.Split("\n"+string(text), "\n```"+language+"\n") {
		if i > 0 {
			block, _, _ := strings.Cut(part, "\n```")
			list = append(list, block)
		}
	}
	return list
}

// TestUseCasePatientHistory runs docs/use-cases/patient-history.md: the first import, its query, and a night in which
// resources were changed, added and deleted.
func TestUseCasePatientHistory(t *testing.T) {
	t.Parallel()
	const patients = 4
	// A cohort of half of the server's patients.
	s := fhirservertest.New(t, fhirservertest.Options{Resources: fhirservertest.Cohort(2*patients, 3, cohortBegan), Token: "secret"})
	env, dir := shared(t), t.TempDir()
	subjects(t, dir, patients)
	if err := os.WriteFile(filepath.Join(dir, "token"), []byte("Authorization: Bearer secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	script := blocks(t, "use-cases/patient-history.md", "sh")
	if len(script) != 4 {
		t.Fatalf("the page has %d blocks", len(script))
	}
	run := func(block string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), deadline)
		defer cancel()
		cmd := exec.CommandContext(ctx, "sh", "-eu")
		cmd.Dir, cmd.Stdin = dir, strings.NewReader(script[0]+"\n"+block+"\n")
		cmd.Env = append(append(os.Environ(), env...), "HOSPITAL="+s.URL, "HOST=127.0.0.1", "PATH="+programs+":"+os.Getenv("PATH"))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s\n%s", err, block, out)
		}
	}
	conn, err := pgx.Connect(t.Context(), databaseURL(t, env))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background()) //nolint:errcheck // only read
	counts := func(sql string) (list []int64) {
		t.Helper()
		rows, err := conn.Query(t.Context(), sql)
		if err != nil {
			t.Fatal(err)
		}
		list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (n int64, err error) {
			var born string
			return n, row.Scan(&born, &n)
		})
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	query := blocks(t, "use-cases/patient-history.md", "sql")[0]
	want := func(when string, want ...int64) {
		t.Helper()
		got := counts(query)
		if len(got) != len(want) {
			t.Fatalf("%s: %v, want %v", when, got, want)
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%s: %v, want %v", when, got, want)
			}
		}
	}

	run(script[1])
	run(script[2])
	want("at first", 3, 3, 3, 3)

	now := time.Now().UTC().Truncate(time.Second)
	s.Set(func(o *fhirservertest.Options) {
		var rest []exporttest.Resource
		for _, r := range o.Resources {
			switch {
			case r.Type == "Observation" && r.ID == "o1-0":
				o.Deleted = append(o.Deleted, fhirservertest.Deletion{Type: r.Type, ID: r.ID, At: now.Format(time.RFC3339)})
				continue
			case r.Type == "Patient" && r.ID == "2":
				r.Updated = now
				r.Body = strings.Replace(r.Body, "-01-31", "-02-01", 1)
				r.Body = strings.Replace(r.Body, `"lastUpdated":"2020`, `"lastUpdated":"2026`, 1)
			}
			rest = append(rest, r)
		}
		added := rest[3]
		added.Body = strings.Replace(added.Body, `"id":"o0-0"`, `"id":"new"`, 1)
		added.ID, added.Updated = "new", now
		o.Resources = append(rest, added)
	})
	run(script[3])
	want("after the night", 4, 2, 3, 3)
	var born string
	if err := conn.QueryRow(t.Context(), `SELECT resource->>'birthDate' FROM study.patient WHERE id = '2'`).Scan(&born); err != nil || born != "1902-02-01" {
		t.Errorf("the patient who was changed is born %s, %v", born, err)
	}
	if types := counts(`SELECT 'x', count(*) FROM study.binary UNION ALL SELECT 'x', count(*) FROM study.practitioner`); types[0] != patients || types[1] != 3 {
		t.Errorf("%v attachments and practitioners", types)
	}
}
