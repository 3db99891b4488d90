package resource

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stoker-fhir/stoker/services/parser/internal/datatest"
)

// stricter are the files of the suite that are JSON by the RFC and refused on purpose.
var stricter = map[string]bool{
	"y_object_duplicated_key.json":           true,
	"y_object_duplicated_key_and_value.json": true,
}

// TestJSONTestSuite runs the parsing tests of https://github.com/nst/JSONTestSuite: y_ must
// be accepted, n_ refused, i_ are left open and compared with encoding/json.
func TestJSONTestSuite(t *testing.T) {
	t.Parallel()
	files, err := datatest.Files("json-parsing")
	if err != nil {
		t.Fatal(err)
	}
	var s Reader
	counts := map[byte]int{}
	for _, path := range files {
		name := filepath.Base(path)
		doc, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(name, ".json") {
			continue
		}
		counts[name[0]]++
		_, got := s.Read(doc, false)
		switch {
		case name[0] == 'y' && !stricter[name] && got != nil:
			t.Errorf("%s is refused: %v", name, got)
		case (name[0] == 'n' || stricter[name]) && got == nil:
			t.Errorf("%s is accepted", name)
		}
		if difference := compareWithStandardLibrary(doc, got); difference != "" {
			t.Errorf("%s: %s", name, difference)
		}
	}
	if counts['y'] == 0 || counts['n'] == 0 || counts['i'] == 0 {
		t.Errorf("files by kind: %v", counts)
	}
}
