package generate

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// definitions are R4's own, as far as the checker asks them.
type definitions struct {
	children  map[string][]*element          // of a type or of an element with parts, by path
	primitive map[string]*regexp.Regexp      // nil where the specification gives none
	values    map[string]map[string]bool     // expanded value sets: "code" and "system|code"
	systems   map[string]map[string]string   // complete code systems: code to display
	inValues  map[string]map[string]struct{} // the systems of a value set
}

// element is an ElementDefinition.
type element struct {
	Path             string `json:"path"`
	Min              int    `json:"min"`
	Max              string `json:"max"`
	ContentReference string `json:"contentReference"`
	Type             []struct {
		Code          string   `json:"code"`
		TargetProfile []string `json:"targetProfile"`
		Extension     []struct {
			URL         string `json:"url"`
			ValueString string `json:"valueString"`
		} `json:"extension"`
	} `json:"type"`
	Binding struct {
		Strength string `json:"strength"`
		ValueSet string `json:"valueSet"`
	} `json:"binding"`
}

// concepts are the codes of a code system or an expansion, which nest.
type concepts []struct {
	System   string   `json:"system"`
	Code     string   `json:"code"`
	Display  string   `json:"display"`
	Concept  concepts `json:"concept"`
	Contains concepts `json:"contains"`
}

// definitionsDir is beside the repository: found from the folder that has go.work.
func definitionsDir(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return filepath.Join(dir, "..", "shared", "data", "definitions", "hl7.fhir.r4.core-4.0.1")
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no go.work above the package")
		}
		dir = parent
	}
}

func readLines[T any](t *testing.T, path string, each func(*T)) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bufio.NewReader(z))
	for d.More() {
		var v T
		if err := d.Decode(&v); err != nil {
			t.Fatal(err)
		}
		each(&v)
	}
}

func loadDefinitions(t *testing.T) *definitions {
	t.Helper()
	dir := definitionsDir(t)
	defs := &definitions{
		children: map[string][]*element{}, primitive: map[string]*regexp.Regexp{},
		values: map[string]map[string]bool{}, systems: map[string]map[string]string{},
		inValues: map[string]map[string]struct{}{},
	}
	type structure struct {
		Type     string
		Kind     string
		Snapshot struct{ Element []*element }
	}
	readLines(t, filepath.Join(dir, "StructureDefinition.ndjson.gz"), func(s *structure) {
		for _, e := range s.Snapshot.Element {
			if i := strings.LastIndexByte(e.Path, '.'); i > 0 {
				defs.children[e.Path[:i]] = append(defs.children[e.Path[:i]], e)
			}
			if s.Kind == "primitive-type" && e.Path == s.Type+".value" {
				defs.primitive[s.Type] = nil
				for _, x := range e.Type[0].Extension {
					if strings.HasSuffix(x.URL, "/regex") {
						defs.primitive[s.Type] = regexp.MustCompile("^(?:" + x.ValueString + ")$")
					}
				}
			}
		}
	})
	type valueSet struct {
		URL       string
		Expansion struct{ Contains concepts }
	}
	readLines(t, filepath.Join(dir, "ValueSet-expansions.ndjson.gz"), func(v *valueSet) {
		codes, systems := map[string]bool{}, map[string]struct{}{}
		var add func(concepts)
		add = func(list concepts) {
			for _, c := range list {
				codes[c.Code], codes[c.System+"|"+c.Code] = true, true
				systems[c.System] = struct{}{}
				add(c.Contains)
			}
		}
		add(v.Expansion.Contains)
		defs.values[v.URL], defs.inValues[v.URL] = codes, systems
	})
	type codeSystem struct {
		URL, Content string
		Concept      concepts
	}
	readLines(t, filepath.Join(dir, "CodeSystem.ndjson.gz"), func(s *codeSystem) {
		if s.Content != "complete" {
			return
		}
		displays := map[string]string{}
		var add func(concepts)
		add = func(list concepts) {
			for _, c := range list {
				displays[c.Code] = c.Display
				add(c.Concept)
			}
		}
		add(s.Concept)
		defs.systems[s.URL] = displays
	})
	return defs
}
