package kickoff

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// Systems of submissionStatus: the ballot's, and those that the draft and its senders use.
const (
	systemStatus = "http://hl7.org/fhir/event-status"
	systemsDraft = "http://hl7.org/fhir/uv/bulkdata/" // ValueSet/submission-status, CodeSystem/submission-status
)

func (l parameters) readStatus(s *Submission) error {
	for _, p := range l {
		if p.Name != "submissionStatus" {
			continue
		}
		coding := struct{ System, Code string }{Code: p.Value}
		if p.Value == "" && json.Unmarshal(p.Raw, &coding) != nil {
			return errors.New("submissionStatus: must have a valueCoding with a code")
		}
		draft := strings.HasPrefix(coding.System, systemsDraft)
		if coding.System != "" && coding.System != systemStatus && !draft {
			return fmt.Errorf("submissionStatus: the system must be %s", systemStatus)
		}
		switch coding.Code {
		case string(InProgress), string(Completed), string(Stopped):
			s.Status = Status(coding.Code)
		case "complete":
			s.Status, draft = Completed, true
		case "aborted":
			s.Status, draft = Stopped, true
		default:
			return errors.New("submissionStatus: must be in-progress, completed or stopped")
		}
		s.Draft = s.Draft || draft
	}
	return nil
}

// readManifest reads what belongs to the request's manifest.
func (l parameters) readManifest(s *Submission) (err error) {
	for _, p := range []struct {
		name string
		to   *string
	}{{"manifestUrl", &s.Manifest}, {"replacesManifestUrl", &s.Replaces}} {
		if *p.to, err = l.one(p.name); err == nil && *p.to != "" {
			if err = checkURL(p.name, *p.to); err == nil {
				err = checkText(p.name, *p.to, maxURL)
			}
		}
		if err != nil {
			return err
		}
	}
	if err := checkFormat("outputFormat", l.text("outputFormat")); err != nil {
		return err
	}
	if s.Headers, err = l.headers(); err != nil {
		return err
	}
	for _, p := range l {
		if p.Name == "oauthMetadataUrl" {
			if err := checkURL(p.Name, p.Value); err != nil {
				return err
			}
			s.OAuth = append(s.OAuth, p.Value)
		}
	}
	for _, p := range l { // the draft has strings where the ballot has URLs
		s.Draft = s.Draft || p.Name == "FHIRBaseUrl" || p.Name == "manifestUrl" && p.Type == "valueString"
	}
	s.Base = cmp.Or(l.text("fhirBaseUrl"), l.text("FHIRBaseUrl"))
	switch {
	case s.Manifest != "" && s.Base == "":
		return errors.New("fhirBaseUrl: must be there with manifestUrl, with a value such as valueUrl")
	case s.Manifest != "" && s.Manifest == s.Replaces:
		return errors.New("replacesManifestUrl: is manifestUrl; a manifest that takes the place of another one needs a URL of its own")
	case s.Manifest == "" && s.Status == "" && s.Replaces == "":
		return errors.New("expected manifestUrl or submissionStatus")
	}
	if err := fhirmsg.CheckBase(s.Base); err != nil {
		return fmt.Errorf("fhirBaseUrl: %w", err)
	}
	return nil
}

// checkFormat takes ndjson of FHIR R4 by any of its names.
func checkFormat(name, format string) error {
	media, rest, _ := strings.Cut(format, ";")
	if !slices.Contains(formats, strings.ToLower(strings.TrimSpace(media))) {
		return fmt.Errorf("%s: must be application/fhir+ndjson", name)
	}
	for part := range strings.SplitSeq(rest, ";") {
		key, value, _ := strings.Cut(part, "=")
		value = strings.Trim(strings.TrimSpace(value), `"`)
		if strings.EqualFold(strings.TrimSpace(key), "fhirVersion") && !slices.Contains([]string{"4.0", "4.0.0", "4.0.1"}, value) {
			return fmt.Errorf("%s: only fhirVersion=4.0 is taken", name)
		}
	}
	return nil
}

// headers are those that go with requests for the manifest and its files. Errors repeat no value.
func (l parameters) headers() (list []fhirmsg.Header, err error) {
	for i, p := range l {
		if p.Name != "fileRequestHeader" {
			continue
		}
		h := fhirmsg.Header{Name: p.Part.text("headerName"), Value: p.Part.text("headerValue")}
		if err = h.Check(); err == nil && len(h.Name)+len(h.Value) > maxHeaderValue {
			err = fmt.Errorf("longer than %d bytes", maxHeaderValue)
		}
		if err != nil {
			return nil, fmt.Errorf("parameter[%d], fileRequestHeader: %w", i, err)
		}
		list = append(list, h)
	}
	return list, nil
}

// readImport reads how the data is to be processed. What is not known would be processed in another way than its
// sender thinks.
func (l parameters) readImport(s *Submission) error {
	for i, p := range l {
		if p.Name != "import" {
			continue
		}
		for _, o := range p.Part.options() {
			var err error
			name, ours := strings.CutPrefix(o.Name, ImportParameters)
			if !ours {
				name = ""
			}
			switch name {
			case "mode":
				s.Mode = fhirmsg.Mode(o.Value)
				if s.Mode != fhirmsg.ModeOverwrite && s.Mode != fhirmsg.ModeSync {
					err = fmt.Errorf("must be %s or %s", fhirmsg.ModeOverwrite, fhirmsg.ModeSync)
				}
			case "validation":
				s.Validation = fhirmsg.Validation(o.Value)
				if err = s.Validation.Check(); err != nil {
					err = errors.New("must be strict, warn or off")
				}
			case "max-rejects":
				s.MaxRejects = o.Value
				if _, err = fhirmsg.ParseRejectLimit(o.Value); err != nil || o.Value == "" {
					err = errors.New("must be a number, a share such as 2.5%, or off")
				}
			default:
				return fmt.Errorf("parameter[%d], import: is none of %s with mode, validation or max-rejects behind it", i, ImportParameters)
			}
			if err != nil {
				return fmt.Errorf("parameter[%d], import: %s: %w", i, name, err)
			}
		}
	}
	return nil
}

// options are parts that are named by URLs: as the ballot has them, with parameterUrl and parameterValue, or as it had
// them before, where the URL is the part's name.
func (l parameters) options() parameters {
	if !l.has("parameterUrl") {
		return l
	}
	return parameters{{Name: l.text("parameterUrl"), Value: l.text("parameterValue")}}
}
