package pull

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// maxFollowed is how many references of a page are taken: a resource may have any number.
const maxFollowed = 100_000

// follow notes which resources that are followed one is, and which it points to.
func (r *reader) follow(resource []byte, ref Ref) {
	if ref.ID != "" && slices.Contains(r.file.Types, ref.Type) {
		r.page.There = append(r.page.There, ref)
	}
	var v any
	if json.Unmarshal(resource, &v) != nil {
		return // the parser says what is wrong with it
	}
	r.walk(v)
}

// walk finds references of FHIR (https://hl7.org/fhir/R4/references.html), and where Binary is followed, attachments that are
// elsewhere (https://hl7.org/fhir/R4/datatypes.html#Attachment).
func (r *reader) walk(v any) {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			text, isText := member.(string)
			switch {
			case !isText:
				r.walk(member)
			case name == "reference":
				r.want(text)
			case name == "url" && strings.Contains(text, "Binary/"):
				r.want(text)
			}
		}
	case []any:
		for _, element := range v {
			r.walk(element)
		}
	}
}

// want takes a reference to a resource of the server that is of a type that is followed.
func (r *reader) want(reference string) {
	reference = strings.TrimPrefix(reference, r.base)
	parts := strings.Split(reference, "/")
	if len(parts) != 2 && (len(parts) != 4 || parts[2] != "_history") {
		return
	}
	ref := Ref{parts[0], parts[1]}
	if slices.Contains(r.file.Types, ref.Type) && fhirmsg.IsResourceID(ref.ID) && len(r.page.Wanted) < maxFollowed {
		r.page.Wanted = append(r.page.Wanted, ref)
	}
}
