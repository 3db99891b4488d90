package conformance

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/stoker-fhir/stoker/services/parser/internal/datatest"
)

// primitiveHosts are resources with a place for a value of a type, by the name of the files.
// The others have theirs in an extension.
var primitiveHosts = map[string]string{
	"id":    `{"resourceType":"Basic","id":%s,"code":{"text":"c"}}`,
	"xhtml": `{"resourceType":"Basic","id":"b","code":{"text":"c"},"text":{"status":"generated","div":%s}}`,
}

const nullWhy = "null stands only in arrays, where a companion has an extension (json.html#null); google/fhir takes it for an absent value"

// arguedPrimitives are the lines that google/fhir judges by its own rules.
var arguedPrimitives = arguments{
	"base64_binary.valid null": nullWhy, "date.valid null": nullWhy, "date_time.valid null": nullWhy,
	"id.valid null": nullWhy, "integer.valid null": nullWhy, "markdown.valid null": nullWhy,
	"positive_int.valid null": nullWhy, "unsigned_int.valid null": nullWhy, "uri.valid null": nullWhy, "url.valid null": nullWhy,
	`xhtml.valid ""`: "a div is required to have the element div with content (txt-1, txt-2: narrative.html); and a value is never empty (json.html#primitive)",
}

// primitives reads lists of values, each within a resource.
func primitives(r *report) error {
	files, err := datatest.Files("primitives")
	if err != nil {
		return err
	}
	reader, err := r.reader()
	if err != nil {
		return err
	}
	for _, file := range files {
		name, ok := strings.CutSuffix(filepath.Base(file), ".ndjson")
		if !ok {
			continue
		}
		typ, verdict, _ := strings.Cut(name, ".")
		values, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		host, ok := primitiveHosts[typ]
		if !ok {
			var title strings.Builder
			for part := range strings.SplitSeq(typ, "_") {
				title.WriteString(strings.ToUpper(part[:1]) + part[1:])
			}
			host = `{"resourceType":"Basic","id":"b","code":{"text":"c"},"extension":[{"url":"http://example.org/value","value` + title.String() + `":%s}]}`
		}
		err = lines(values, func(_ int, value []byte) error {
			doc := fmt.Appendf(nil, host, value)
			issues, refused := reader.errorsOf(doc)
			difference := ""
			switch {
			case verdict == "valid" && refused != nil:
				difference = "is refused: " + refused.Error()
			case verdict == "valid":
				difference = show(issues)
			case refused == nil && len(issues) == 0:
				difference = "has no error"
			}
			r.judge(name+" "+string(value), arguedPrimitives, difference)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
