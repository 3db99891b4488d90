package pgd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// programs are initdb and postgres of one installation.
type programs struct{ bin string }

func (p programs) initdb() string   { return filepath.Join(p.bin, "initdb") }
func (p programs) postgres() string { return filepath.Join(p.bin, "postgres") }

func (p programs) exist() bool {
	for _, name := range []string{p.initdb(), p.postgres()} {
		if info, err := os.Stat(name); err != nil || info.IsDir() {
			return false
		}
	}
	return true
}

// major is the version as the file PG_VERSION of a cluster has it, such as "17".
func (p programs) major(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, p.postgres(), "--version").Output()
	if err != nil {
		return "", fmt.Errorf("%s --version: %w", p.postgres(), err)
	}
	// "postgres (PostgreSQL) 17.2 (Debian 17.2-1)"
	_, rest, _ := strings.Cut(string(out), ") ")
	number := strings.FieldsFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	if len(number) == 0 {
		return "", fmt.Errorf("%s --version: no version in the answer", p.postgres())
	}
	return number[0], nil
}

// search is where programs may be.
type search struct {
	lookPath func(name string) (string, error)
	versions string // a pattern of folders named by version, as Debian has them
}

func installed() search {
	return search{lookPath: exec.LookPath, versions: "/usr/lib/postgresql/*/bin"}
}

// find returns the first installation of a major version, or of any if that is empty.
func (s search) find(ctx context.Context, major string) (programs, error) {
	var others []string
	for _, bin := range s.folders(ctx) {
		p := programs{bin}
		if !p.exist() {
			continue
		}
		if major == "" {
			return p, nil
		}
		has, err := p.major(ctx)
		if err != nil {
			return programs{}, err
		}
		if has == major {
			return p, nil
		}
		others = append(others, has)
	}
	if len(others) > 0 {
		return programs{}, fmt.Errorf("the data is of PostgreSQL %s, but only %s is installed: install that version too, or use another folder",
			major, strings.Join(slices.Compact(others), ", "))
	}
	return programs{}, errors.New("no programs initdb and postgres on $PATH, in /usr/lib/postgresql or where pg_config says: " +
		"install PostgreSQL (Debian: apt-get install postgresql), or set DATABASE_URL to a server that runs elsewhere")
}

// folders lists where to look: $PATH, folders by version with the newest first, pg_config.
func (s search) folders(ctx context.Context) []string {
	var dirs []string
	if path, err := s.lookPath("postgres"); err == nil {
		dirs = append(dirs, filepath.Dir(path))
		// A link to the program alone has no initdb beside it.
		if target, err := filepath.EvalSymlinks(path); err == nil {
			dirs = append(dirs, filepath.Dir(target))
		}
	}
	byVersion, _ := filepath.Glob(s.versions) // fails on a bad pattern only
	slices.SortFunc(byVersion, func(a, b string) int { return cmp.Compare(folderVersion(b), folderVersion(a)) })
	dirs = append(dirs, byVersion...)
	if path, err := s.lookPath("pg_config"); err == nil {
		if out, err := exec.CommandContext(ctx, path, "--bindir").Output(); err == nil {
			dirs = append(dirs, strings.TrimSpace(string(out)))
		}
	}
	return dirs
}

// folderVersion reads …/17/bin as 17; what is not a number comes last.
func folderVersion(bin string) float64 {
	version, err := strconv.ParseFloat(filepath.Base(filepath.Dir(bin)), 64)
	if err != nil {
		return -1
	}
	return version
}
