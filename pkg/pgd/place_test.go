package pgd_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stoker-fhir/stoker/pkg/pgd"
	"github.com/stoker-fhir/stoker/pkg/pgtest"
)

// TestClosedParent has a folder below one that only we may enter. As root, the server runs as
// another user, so the data must go elsewhere; as anyone else it stays.
func TestClosedParent(t *testing.T) {
	t.Parallel()
	parent := pgtest.Dir(t)
	if err := os.Chmod(parent, 0o700); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(parent, "pg")
	s := start(t, options(dir))
	execute(t, s.URL(), insert)
	if os.Geteuid() != 0 {
		if got, want := s.DataDir(), filepath.Join(dir, "data"); got != want {
			t.Errorf("data: got %s, want %s", got, want)
		}
		return
	}
	t.Cleanup(func() { _ = os.RemoveAll(filepath.Dir(s.DataDir())) })
	if got := s.DataDir(); !strings.HasPrefix(got, "/var/lib/stoker/") {
		t.Errorf("data: got %s", got)
	}
	location, err := os.ReadFile(filepath.Join(dir, "location"))
	if got, want := strings.TrimSpace(string(location)), filepath.Dir(s.DataDir()); got != want || err != nil {
		t.Errorf("location: got %q, %v, want %q", got, err, want)
	}
	closeServer(t, s)
	s = start(t, options(dir))
	wantAnswer(t, s)
	closeServer(t, s)

	// Deleting the folder gives a fresh database.
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	fresh := start(t, options(dir))
	t.Cleanup(func() { _ = os.RemoveAll(filepath.Dir(fresh.DataDir())) })
	if !query[bool](t, fresh.URL(), "SELECT to_regclass('kept') IS NULL") {
		t.Error("the data is still there")
	}
	if _, err := os.Stat(s.DataDir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what belonged to the deleted folder is still there: %v", err)
	}
	closeServer(t, fresh)

	// Losing the data behind the folder's back is an error, never an empty database.
	if err := os.RemoveAll(filepath.Dir(fresh.DataDir())); err != nil {
		t.Fatal(err)
	}
	if _, err := pgd.Start(t.Context(), options(dir)); err == nil || !strings.Contains(err.Error(), "the data is gone") {
		t.Errorf("got %v, want the data is gone", err)
	}
	if err := pgd.Remove(t.Context(), dir); err != nil {
		t.Error(err)
	}
}

// TestOddLocation has a file that names a folder which is not ours to use or delete.
func TestOddLocation(t *testing.T) {
	t.Parallel()
	for _, location := range []string{"", "/", "/etc", "/var/lib/stoker", "/var/lib/stoker/other", "/var/lib/stoker/pg-1/data", "/var/lib/stoker/../pg-1"} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "location"), []byte(location+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := pgd.Start(t.Context(), options(dir)); err == nil || !strings.Contains(err.Error(), "not Stoker's") {
			t.Errorf("%q: start: got %v", location, err)
		}
		if err := pgd.Remove(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "not Stoker's") {
			t.Errorf("%q: remove: got %v", location, err)
		}
	}
}

// TestForeignData has a folder of another kind in the data's place, which root may not even own.
func TestForeignData(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	want := "PG_VERSION"
	if os.Geteuid() == 0 {
		want = "belongs to root"
	}
	_, err := pgd.Start(t.Context(), options(dir))
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want it to say %q", err, want)
	}
	if _, err := os.Stat(filepath.Join(dir, "data")); errors.Is(err, os.ErrNotExist) {
		t.Error("the folder is gone")
	}
}
