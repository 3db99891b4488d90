package cli

import (
	"os"
	"strings"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// remote adds the manifests, the export and the pull to the sources, and the headers to all that is asked for over HTTP.
func (f importFlags) remote(sources []fhirmsg.Source) ([]fhirmsg.Source, error) {
	headers, err := readHeaders(f.headers)
	if err != nil {
		return nil, usage("--header: %w", err)
	}
	for _, m := range f.manifests {
		if !strings.HasPrefix(m, "http://") && !strings.HasPrefix(m, "https://") {
			return nil, usage("--manifest: want a URL that begins with http:// or https://")
		}
		sources = append(sources, fhirmsg.Source{Manifest: m})
	}
	if f.export.server != "" {
		e, err := f.export.request()
		if err != nil {
			return nil, usage("--export: %w", err)
		}
		sources = append(sources, fhirmsg.Source{Export: e})
	}
	if f.pull.server() != "" {
		p, err := f.pull.request(f.export)
		if err != nil {
			return nil, usage("%w", err)
		}
		sources = append(sources, fhirmsg.Source{Pull: p})
	}
	used := false
	for i := range sources {
		if sources[i].IsRemote() {
			sources[i].Headers, used = headers, true
		}
	}
	if len(headers) > 0 && !used {
		return nil, usage("--header: is for URLs, exports, pulls and manifests, and none is named")
	}
	return sources, nil
}

// readHeaders reads "Name: value", or files of such lines. Errors hold no value, which may be a secret.
func readHeaders(args []string) ([]fhirmsg.Header, error) {
	var headers []fhirmsg.Header
	for _, arg := range args {
		if name, ok := strings.CutPrefix(arg, "@"); ok {
			content, err := os.ReadFile(name)
			if err != nil {
				return nil, err
			}
			arg = string(content)
		}
		some, err := fhirmsg.ParseHeaders(arg)
		if err != nil {
			return nil, err
		}
		headers = append(headers, some...)
	}
	return headers, nil
}
