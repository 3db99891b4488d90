package smart

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/stoker-fhir/stoker/pkg/outbound"
)

// Limits on what servers answer, in bytes.
const (
	maxConfiguration = 256 << 10
	maxCapability    = 16 << 20 // CapabilityStatements of servers with many profiles are large
	maxTokenAnswer   = 256 << 10
)

// ExtensionOAuth is the extension of a CapabilityStatement that names a token endpoint
// (https://hl7.org/fhir/smart-app-launch/1.0.0/conformance).
const ExtensionOAuth = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"

var errNoEndpoint = errors.New("it names no token endpoint")

// discover asks a server where its token endpoint is: by SMART's configuration, or else by its CapabilityStatement.
func discover(ctx context.Context, web *outbound.Client, base string) (tokenURL string, err error) {
	base = strings.TrimSuffix(base, "/")
	var problems []string
	for _, way := range []struct {
		path, accept string
		most         int64
		read         func([]byte) (string, error)
	}{
		{"/.well-known/smart-configuration", "application/json", maxConfiguration, readConfiguration},
		{"/metadata", "application/fhir+json, application/json;q=0.9", maxCapability, readCapability},
	} {
		u, err := outbound.ParseURL(base + way.path)
		if err != nil {
			return "", fmt.Errorf("base: %w", err)
		}
		got, err := ask(ctx, web, outbound.Request{URL: u, Header: http.Header{"Accept": {way.accept}}, MaxBody: way.most})
		switch {
		case err != nil && !errors.Is(err, outbound.ErrTooLarge):
			return "", fmt.Errorf("%s: %w", way.path, err)
		case err == nil && again(got.status):
			return "", outbound.NewUnanswered(fmt.Sprintf("%s: the server answered %d", way.path, got.status))
		case err == nil && got.status != http.StatusOK:
			err = fmt.Errorf("the server answered %d", got.status)
		case err == nil:
			if tokenURL, err = way.read(got.body); err == nil {
				return tokenURL, nil
			}
		}
		problems = append(problems, way.path+": "+err.Error())
	}
	return "", fmt.Errorf("the token endpoint cannot be found; name it as token_url: %s", strings.Join(problems, "; "))
}

// readConfiguration reads .well-known/smart-configuration.
func readConfiguration(body []byte) (string, error) {
	var c struct {
		TokenEndpoint string `json:"token_endpoint"`
	}
	if err := json.Unmarshal(body, &c); err != nil {
		return "", errors.New("it cannot be read")
	}
	return endpointOf(c.TokenEndpoint)
}

// readCapability reads the token endpoint of a CapabilityStatement.
func readCapability(body []byte) (string, error) {
	type extension struct {
		URL   string `json:"url"`
		Value string `json:"valueUri"`
	}
	var c struct {
		REST []struct {
			Security struct {
				Extension []struct {
					URL       string      `json:"url"`
					Extension []extension `json:"extension"`
				} `json:"extension"`
			} `json:"security"`
		} `json:"rest"`
	}
	if err := json.Unmarshal(body, &c); err != nil {
		return "", errors.New("it cannot be read")
	}
	for _, rest := range c.REST {
		for _, outer := range rest.Security.Extension {
			for _, inner := range outer.Extension {
				if outer.URL == ExtensionOAuth && inner.URL == "token" {
					return endpointOf(inner.Value)
				}
			}
		}
	}
	return "", errNoEndpoint
}

// endpointOf checks what a server says of its token endpoint. Errors do not repeat it.
func endpointOf(raw string) (string, error) {
	if raw == "" {
		return "", errNoEndpoint
	}
	u, err := outbound.ParseURL(raw)
	if err != nil || u.User != nil || u.Fragment != "" {
		return "", errors.New("its token endpoint is not an http or https URL")
	}
	return raw, nil
}

// downgrades reports whether a token endpoint is in the clear while the server that names it is not.
func downgrades(base, tokenURL string) bool {
	return strings.HasPrefix(strings.ToLower(base), "https:") && !strings.HasPrefix(strings.ToLower(tokenURL), "https:")
}

// allowAlso is a policy that allows URLs besides.
func allowAlso(p *outbound.Policy, urls ...string) *outbound.Policy {
	if p == nil {
		return nil
	}
	wider := *p
	wider.Prefixes = append([]string(nil), p.Prefixes...)
	for _, raw := range urls {
		if u, err := url.Parse(raw); err == nil && raw != "" {
			u.User, u.RawQuery, u.Fragment, u.RawFragment = nil, "", "", ""
			wider.Prefixes = append(wider.Prefixes, u.String())
		}
	}
	return &wider
}
