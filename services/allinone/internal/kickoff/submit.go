package kickoff

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// Limits of a submission's requests, in bytes where they are not numbers of things.
const (
	MaxSubmit         = 1 << 20 // the body
	maxSubmitted      = 256     // submissionId, and the value of submitter
	maxURL            = 16 << 10
	maxRequestHeaders = 32
	maxHeaderValue    = 8 << 10
	maxParameters     = 200
)

// Status is what a request says of its submission. "" is that it says nothing, which counts as in progress.
type Status string

// The statuses, as the ballot calls them; complete and aborted are the draft's words for the latter two.
const (
	InProgress Status = "in-progress"
	Completed  Status = "completed"
	Stopped    Status = "stopped"
)

// Submitter is who submits, as the operator agreed on with the supplier.
type Submitter struct {
	System string `json:"system"`
	Value  string `json:"value"`
}

// Submission is a request of $bulk-submit.
type Submission struct {
	Submitter Submitter
	ID        string // submissionId, unique for the submitter
	Status    Status
	Manifest  string // URL; "" where the request adds none
	Replaces  string // URL of the manifest to undo; "" for none
	Base      string // of relative references: fhirBaseUrl
	Headers   []fhirmsg.Header
	OAuth     []string // URLs of the metadata by which a token is to be had: oauthMetadataUrl

	// As the parameter import asks for; "" where it does not.
	Mode       fhirmsg.Mode
	Validation fhirmsg.Validation
	MaxRejects string

	Ignored []string // names of parameters that were given and change nothing
	Draft   bool     // the sender uses words of the draft
}

// ImportParameters begins the names of the parameters of import that there are: mode, validation and max-rejects.
const ImportParameters = "https://stoker-fhir.github.io/fhir/bulk-submit/"

// submitParameters are the parameters that there are, and how often each may be there.
var submitParameters = map[string]int{
	"submitter": 1, "submissionId": 1, "submissionStatus": 1, "manifestUrl": 1, "replacesManifestUrl": 1, "outputFormat": 1,
	"fhirBaseUrl": 1, "FHIRBaseUrl": 1, "fileRequestHeader": maxRequestHeaders, "oauthMetadataUrl": 10, "fileEncryptionKey": 1,
	"metadata": maxParameters, "import": maxParameters,
}

// ReadSubmit reads a request of $bulk-submit. Errors: [ErrMediaType], [ErrEncrypted], and what is wrong with the body,
// for its sender.
func ReadSubmit(contentType string, body []byte) (s Submission, err error) {
	list, err := readBody(contentType, body, submitParameters)
	if err != nil {
		return s, err
	}
	if s.Submitter, s.ID, err = list.submission(); err != nil {
		return s, err
	}
	if err := list.readStatus(&s); err != nil {
		return s, err
	}
	if list.has("fileEncryptionKey") {
		return s, ErrEncrypted
	}
	if err := list.readManifest(&s); err != nil {
		return s, err
	}
	if err := list.readImport(&s); err != nil {
		return s, err
	}
	if list.has("metadata") {
		s.Ignored = append(s.Ignored, "metadata")
	}
	if s.Status == Stopped { // of which nothing is to be fetched any more
		s.Manifest, s.Replaces = "", ""
	}
	return s, nil
}

// ErrEncrypted is returned where files are said to be encrypted.
var ErrEncrypted = errors.New("fileEncryptionKey: encrypted files (JWE) are not taken; send them over TLS only")

// ReadSubmitStatus reads a request of $bulk-submit-status. Errors: [ErrMediaType], and what is wrong with the body.
func ReadSubmitStatus(contentType string, body []byte) (submitter Submitter, id string, err error) {
	list, err := readBody(contentType, body, map[string]int{"submitter": 1, "submissionId": 1, "_outputFormat": 1})
	if err != nil {
		return submitter, "", err
	}
	if err := checkFormat("_outputFormat", list.text("_outputFormat")); err != nil {
		return submitter, "", err
	}
	return list.submission()
}

// readBody reads Parameters that may have those names, each so often.
func readBody(contentType string, body []byte, names map[string]int) (parameters, error) {
	if err := checkMedia(contentType); err != nil {
		return nil, err
	}
	var form struct {
		ResourceType string            `json:"resourceType"`
		Parameter    []json.RawMessage `json:"parameter"`
	}
	if err := json.Unmarshal(bytes.TrimPrefix(body, []byte("\ufeff")), &form); err != nil {
		return nil, withoutContent(err)
	}
	switch {
	case form.ResourceType != "Parameters":
		return nil, errors.New("resourceType: must be Parameters")
	case len(form.Parameter) > maxParameters:
		return nil, fmt.Errorf("parameter: more than %d", maxParameters)
	}
	list, err := readParameters(form.Parameter)
	if err != nil {
		return nil, err
	}
	seen := map[string]int{}
	for i, p := range list {
		most, ok := names[p.Name]
		switch {
		case !ok: // it may be one that changes what is imported, spelt wrongly
			return nil, fmt.Errorf("parameter[%d]: has a name that is not known here", i)
		case seen[p.Name] == most:
			return nil, fmt.Errorf("%s: more than %d of it", p.Name, most)
		}
		seen[p.Name]++
	}
	return list, nil
}

// submission is what names a submission.
func (l parameters) submission() (who Submitter, id string, err error) {
	for _, p := range l {
		if p.Name == "submitter" {
			if p.Type != "valueIdentifier" || json.Unmarshal(p.Raw, &who) != nil {
				return who, "", errors.New("submitter: must have a valueIdentifier with system and value")
			}
		}
	}
	if id, err = l.one("submissionId"); err != nil {
		return who, "", err
	}
	if err := checkText("submitter.value", who.Value, maxSubmitted); err != nil {
		return who, "", err
	}
	if who.System != "" {
		if err := checkText("submitter.system", who.System, maxURL); err != nil {
			return who, "", err
		}
	}
	return who, id, checkText("submissionId", id, maxSubmitted)
}

// checkText refuses what cannot be kept, or shown.
func checkText(name, s string, most int) error {
	switch {
	case s == "":
		return fmt.Errorf("%s: is missing", name)
	case len(s) > most:
		return fmt.Errorf("%s: is longer than %d bytes", name, most)
	case strings.ToValidUTF8(s, "") != s || strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c == 0x7f }):
		return fmt.Errorf("%s: has characters that are not text", name)
	}
	return nil
}
