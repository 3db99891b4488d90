package s3

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/stoker-fhir/stoker/pkg/config"
	"github.com/stoker-fhir/stoker/pkg/spelling"
)

// defaultProfile is of suppliers that have none of their name.
const defaultProfile = "default"

// maxProfiles is the greatest size of a file of profiles in bytes.
const maxProfiles = 1 << 20

// Fields of a profile. The first four are AWS's.
var profileFields = []string{"aws_access_key_id", "aws_secret_access_key", "aws_session_token", "region", "endpoint_url", "addressing"}

// readProfiles reads a file of profiles. Errors name the line, and show no value.
func readProfiles(path string) (map[string]settings, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the file of S3 profiles: %w", err)
	}
	profiles, err := parseProfiles(string(content))
	if err != nil {
		return nil, fmt.Errorf("S3 profiles, %s:%w", path, err)
	}
	return profiles, nil
}

// parseProfiles reads
//
//	[clinic-a]
//	aws_access_key_id = …
//
// where lines that begin with # or ; are comments. The name of a profile may have "profile " before it, as in AWS's config file.
func parseProfiles(content string) (map[string]settings, error) {
	if len(content) > maxProfiles {
		return nil, fmt.Errorf(" larger than %d bytes", maxProfiles)
	}
	profiles := map[string]settings{}
	name, n := "", 0
	seen := map[string]bool{}
	for line := range strings.Lines(content) {
		n++
		line = strings.TrimSpace(strings.TrimPrefix(line, "\ufeff"))
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		if line[0] == '[' {
			inner, ok := strings.CutSuffix(line[1:], "]")
			name = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(inner), "profile "))
			if _, twice := profiles[name]; !ok || name == "" || twice {
				return nil, fmt.Errorf("%d: must be the name of a profile in brackets, each once", n)
			}
			profiles[name], seen = settings{}, map[string]bool{}
			continue
		}
		field, value, ok := strings.Cut(line, "=")
		field, value = strings.TrimSpace(field), strings.TrimSpace(value)
		switch {
		case !ok || value == "":
			return nil, fmt.Errorf("%d: must be a field, an equals sign and a value", n)
		case name == "":
			return nil, fmt.Errorf("%d: belongs to no profile; begin with [%s]", n, defaultProfile)
		case seen[field]:
			return nil, fmt.Errorf("%d: %s is there twice", n, field)
		}
		seen[field] = true
		p := profiles[name]
		if err := p.set(field, value); err != nil {
			return nil, fmt.Errorf("%d: %w", n, err)
		}
		profiles[name] = p
	}
	return profiles, nil
}

func (s *settings) set(field, value string) error {
	switch field {
	case profileFields[0]:
		s.key = config.Secret(value)
	case profileFields[1]:
		s.secret = config.Secret(value)
	case profileFields[2]:
		s.token = config.Secret(value)
	case profileFields[3]:
		s.region = value
	case profileFields[4]:
		s.endpoint = value
	case profileFields[5]:
		s.addressing = value
	default:
		nearest := slices.MinFunc(profileFields, func(a, b string) int {
			return cmp.Compare(spelling.Distance(field, a), spelling.Distance(field, b))
		})
		return fmt.Errorf("this field is not known here; did you mean %s?", nearest)
	}
	return nil
}
