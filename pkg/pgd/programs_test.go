package pgd

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// install makes programs that say they are of a version.
func install(t *testing.T, bin, version string) {
	t.Helper()
	if err := os.MkdirAll(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/sh\necho 'postgres (PostgreSQL) " + version + " (Debian)'\n"
	for _, name := range []string{"initdb", "postgres"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFindPrograms(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	debian := func(version string) string { return filepath.Join(root, "debian", version, "bin") }
	install(t, debian("9"), "9.6.24")
	install(t, debian("15"), "15.18")
	install(t, debian("16"), "16.9")
	install(t, filepath.Join(root, "configured"), "14.2")
	path := filepath.Join(root, "path")
	install(t, path, "17beta1")
	links := filepath.Join(root, "links") // with a link to postgres alone
	if err := os.Mkdir(links, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(debian("15"), "postgres"), filepath.Join(links, "postgres")); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(root, "pg_config")
	if err := os.WriteFile(config, []byte("#!/bin/sh\necho "+filepath.Join(root, "configured")+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	debians := filepath.Join(root, "debian", "*", "bin")

	for name, test := range map[string]struct {
		postgres, config string // found on $PATH
		versions, major  string
		want, wantError  string
	}{
		"on the path":           {postgres: filepath.Join(path, "postgres"), versions: debians, want: path},
		"a link on the path":    {postgres: filepath.Join(links, "postgres"), versions: debians, want: debian("15")},
		"newest by number":      {versions: debians, want: debian("16")},
		"by pg_config":          {config: config, want: filepath.Join(root, "configured")},
		"of the data's version": {postgres: filepath.Join(path, "postgres"), versions: debians, major: "15", want: debian("15")},
		"beta of the version":   {postgres: filepath.Join(path, "postgres"), versions: debians, major: "17", want: path},
		"not of the version":    {versions: debians, major: "18", wantError: "the data is of PostgreSQL 18, but only 16, 15, 9 is installed"},
		"none":                  {wantError: "apt-get install postgresql"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := search{versions: test.versions, lookPath: func(name string) (string, error) {
				found := map[string]string{"postgres": test.postgres, "pg_config": test.config}[name]
				if found == "" {
					return "", errors.New("not found")
				}
				return found, nil
			}}
			got, err := s.find(t.Context(), test.major)
			if test.wantError != "" {
				if err == nil || !strings.Contains(err.Error(), test.wantError) {
					t.Errorf("got %v, want %q", err, test.wantError)
				}
				return
			}
			if err != nil || got.bin != test.want {
				t.Errorf("got %s, %v, want %s", got.bin, err, test.want)
			}
		})
	}
}

func TestChildEnv(t *testing.T) {
	t.Parallel()
	got := childEnv([]string{"PATH=/bin", "DATABASE_URL=secret", "PGDATA=/x", "LC_ALL=de_DE", "TZ=UTC"})
	want := "LC_ALL=C PATH=/bin TZ=UTC"
	if strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
}
