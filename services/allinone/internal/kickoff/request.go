package kickoff

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/outbound"
)

// ErrMediaType is returned for a body of another content type.
var ErrMediaType = errors.New("the content type must be application/fhir+json or application/json")

// Request is what is asked for.
type Request struct {
	Sources []fhirmsg.Source
	Base    string // of the server that the files come from; "": not said, or no URL of one

	Declared
}

// Declared is what a request says that its delivery is. It is no part of the proposals; the fields are those of
// [fhirmsg.ImportRequest].
type Declared struct {
	Snapshot      *bool            `json:"snapshot"`
	SnapshotTypes []string         `json:"snapshotType"`
	MaxDeletes    string           `json:"maxDeletes"`
	Mends         fhirmsg.ImportID `json:"mends"`
}

// declarations are the names of its parameters.
var declarations = []string{"snapshot", "snapshotType", "maxDeletes", "mends"}

// checkMedia refuses bodies that are not FHIR in JSON.
func checkMedia(contentType string) error {
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil || !slices.Contains([]string{"application/fhir+json", "application/json", "application/json+fhir"}, media) {
		return ErrMediaType
	}
	return nil
}

// Read reads a request. Errors: [ErrMediaType], and what is wrong with the body, for its sender.
func Read(contentType string, body []byte) (Request, error) {
	if err := checkMedia(contentType); err != nil {
		return Request{}, err
	}
	body = bytes.TrimPrefix(body, []byte("\ufeff"))
	var form struct {
		ResourceType string `json:"resourceType"`
		manifestForm
		Parameter []json.RawMessage `json:"parameter"`
	}
	if err := json.Unmarshal(body, &form); err != nil {
		return Request{}, withoutContent(err)
	}
	switch form.ResourceType {
	case "":
		return form.request()
	case "Parameters":
	default:
		return Request{}, errors.New("resourceType: must be Parameters")
	}
	list, err := readParameters(form.Parameter)
	if err != nil {
		return Request{}, err
	}
	switch {
	case list.has("exportUrl"):
		return list.pull()
	case list.has("input"), list.has("inputs"):
		m := list.manifestForm()
		if m.Declared, err = list.declared(); err != nil {
			return Request{}, err
		}
		return m.request()
	default:
		return Request{}, errors.New("expected the parameter exportUrl, or input for each file")
	}
}

// withoutContent is an error of JSON without what it repeats.
func withoutContent(err error) error {
	var syntax *json.SyntaxError
	var shape *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("the body is not JSON at byte %d", syntax.Offset)
	case errors.As(err, &shape):
		return fmt.Errorf("%s: a JSON %s is not expected here", shape.Field, shape.Value)
	default:
		return errors.New("the body cannot be read")
	}
}

// pull is a request of the ping and pull form.
func (l parameters) pull() (Request, error) {
	exportURL, err := l.one("exportUrl")
	if err != nil {
		return Request{}, err
	}
	if err := checkURL("exportUrl", exportURL); err != nil {
		return Request{}, err
	}
	exportType, err := l.one("exportType")
	switch {
	case err != nil:
		return Request{}, err
	case exportType == "", exportType == "dynamic":
		return l.dynamic(exportURL)
	case exportType != "static":
		return Request{}, errors.New("exportType: must be dynamic or static")
	}
	for _, p := range l {
		if p.Name != "exportUrl" && p.Name != "exportType" && !slices.Contains(declarations, p.Name) {
			return Request{}, fmt.Errorf("%s: is a parameter of an export, and a static manifest's is over; leave it out", p.Name)
		}
	}
	declared, err := l.declared()
	return Request{Sources: []fhirmsg.Source{{Manifest: exportURL}}, Declared: declared}, err
}

// declared reads what Parameters say that the delivery is.
func (l parameters) declared() (d Declared, err error) {
	for _, p := range l {
		switch p.Name {
		case "snapshot":
			is, err := strconv.ParseBool(p.Value)
			if err != nil {
				return d, errors.New("snapshot: must have a valueBoolean")
			}
			d.Snapshot = &is
		case "snapshotType":
			d.SnapshotTypes = append(d.SnapshotTypes, p.Value)
		case "maxDeletes":
			d.MaxDeletes = p.Value
		case "mends":
			if d.Mends, err = fhirmsg.ParseImportID(p.Value); err != nil {
				return d, fmt.Errorf("mends: %w", err)
			}
		}
	}
	return d, nil
}

// dynamic is an export that is to be asked for. Parameters may be in its URL as well; all are passed on but those that say
// what the delivery is.
func (l parameters) dynamic(exportURL string) (Request, error) {
	u, err := outbound.ParseURL(exportURL)
	if err != nil {
		return Request{}, fmt.Errorf("exportUrl: %w", err)
	}
	asked, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return Request{}, errors.New("exportUrl: its query cannot be read")
	}
	u.RawQuery, u.ForceQuery, u.Fragment, u.RawFragment = "", false, "", ""
	e := &fhirmsg.Export{URL: u.String()}
	for _, name := range slices.Sorted(maps.Keys(asked)) {
		e.Add(name, asked[name]...)
	}
	for _, p := range l {
		if p.Name != "exportUrl" && p.Name != "exportType" && !slices.Contains(declarations, p.Name) {
			e.Add(p.Name, p.Value)
		}
	}
	if err := e.Check(); err != nil {
		return Request{}, fmt.Errorf("export: %w", err)
	}
	declared, err := l.declared()
	return Request{Sources: []fhirmsg.Source{{Export: e}}, Base: e.Base(), Declared: declared}, err
}

func checkURL(name, raw string) error {
	u, err := outbound.ParseURL(raw)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", name, err)
	case u.User != nil:
		return fmt.Errorf("%s: must hold no user; credentials are agreed on with the operator", name)
	}
	return nil
}

// manifestForm is a request that lists the files itself. Names are the proposal's, and those of the servers
// that took it up.
type manifestForm struct {
	InputFormat   string  `json:"inputFormat"`
	InputSource   string  `json:"inputSource"`
	Input         []input `json:"input"`
	Inputs        []input `json:"inputs"`
	StorageDetail struct {
		Type string `json:"type"`
	} `json:"storageDetail"`
	Declared
}

type input struct {
	Type         string `json:"type"`
	ResourceType string `json:"resourceType"`
	URL          string `json:"url"`
}

// formats are those of ndjson; what a file is otherwise is told by its content.
var formats = []string{"", "application/fhir+ndjson", "application/ndjson", "ndjson", "application/fhir+json"}

func (m manifestForm) request() (Request, error) {
	inputs := slices.Concat(m.Input, m.Inputs)
	format, _, _ := strings.Cut(m.InputFormat, ";")
	switch {
	case len(inputs) == 0:
		return Request{}, errors.New("input: name at least one file, or an exportUrl in Parameters")
	case len(inputs) > fhirmsg.MaxSources:
		return Request{}, fmt.Errorf("input: more than %d files; name a manifest that lists them instead", fhirmsg.MaxSources)
	case !slices.Contains(formats, strings.TrimSpace(format)):
		return Request{}, errors.New("inputFormat: must be application/fhir+ndjson")
	case m.StorageDetail.Type != "" && m.StorageDetail.Type != "https":
		return Request{}, errors.New("storageDetail.type: must be https")
	}
	r := Request{Declared: m.Declared}
	if fhirmsg.CheckBase(m.InputSource) == nil {
		r.Base = m.InputSource
	}
	seen := map[string]bool{}
	for i, in := range inputs {
		name := fmt.Sprintf("input[%d].url", i)
		if err := checkURL(name, in.URL); err != nil {
			return Request{}, err
		}
		if seen[in.URL] {
			return Request{}, fmt.Errorf("%s: is listed a second time", name)
		}
		seen[in.URL] = true
		resourceType := in.Type
		if resourceType == "" {
			resourceType = in.ResourceType
		}
		r.Sources = append(r.Sources, fhirmsg.Source{URL: in.URL, Type: resourceType})
	}
	return r, nil
}
