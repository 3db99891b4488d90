package smart

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/stoker-fhir/stoker/pkg/outbound"
)

// maxServers is how many authorization servers of a protected resource are asked.
const maxServers = 5

// metadata is what a document says of where tokens are given: SMART's configuration and the metadata of an authorization server
// (RFC 8414) have the endpoint, those of a protected resource (RFC 9728) the servers.
type metadata struct {
	TokenEndpoint string   `json:"token_endpoint"`
	Servers       []string `json:"authorization_servers"`
}

// discoverBy asks metadata at URLs, in turn, where the token endpoint is, and returns the first and which of them said so.
// What they lead to is held to the client's policy, as they are.
func discoverBy(ctx context.Context, web *outbound.Client, urls []string) (from, tokenURL string, err error) {
	var problems []string
	for i, raw := range urls {
		m, err := readMetadata(ctx, web, raw)
		if err == nil && m.TokenEndpoint == "" && len(m.Servers) > 0 {
			for _, server := range m.Servers[:min(len(m.Servers), maxServers)] {
				if downgrades(raw, server) {
					err = errors.New("it is reached by https and names a server that is not")
					continue
				}
				if m, err = readServer(ctx, web, server); err == nil {
					break
				}
			}
		}
		if unanswered := (*outbound.Unanswered)(nil); errors.As(err, &unanswered) {
			return "", "", err
		}
		if err == nil {
			if tokenURL, err = endpointOf(m.TokenEndpoint); err == nil {
				return raw, tokenURL, nil
			}
		}
		problems = append(problems, fmt.Sprintf("metadata %d: %s", i+1, err))
	}
	return "", "", errors.New("the token endpoint cannot be found: " + strings.Join(problems, "; "))
}

// readServer reads the metadata of an authorization server by its issuer: at the place of RFC 8414, section 3.1, or SMART's.
func readServer(ctx context.Context, web *outbound.Client, issuer string) (metadata, error) {
	u, err := outbound.ParseURL(issuer)
	if err != nil {
		return metadata{}, errors.New("its authorization server is not an http or https URL")
	}
	path := strings.TrimSuffix(u.Path, "/")
	origin := outbound.Origin(u)
	var m metadata
	for _, place := range []string{
		strings.TrimSuffix(origin, "/") + "/.well-known/oauth-authorization-server" + path,
		strings.TrimSuffix(origin, "/") + path + "/.well-known/smart-configuration",
	} {
		if m, err = readMetadata(ctx, web, place); err == nil && m.TokenEndpoint != "" {
			return m, nil
		}
	}
	if err == nil {
		err = errNoEndpoint
	}
	return metadata{}, err
}

func readMetadata(ctx context.Context, web *outbound.Client, raw string) (m metadata, err error) {
	u, err := outbound.ParseURL(raw)
	if err != nil {
		return m, err
	}
	got, err := ask(ctx, web, outbound.Request{URL: u, Header: http.Header{"Accept": {"application/json"}}, MaxBody: maxConfiguration})
	switch {
	case err != nil:
		return m, err
	case again(got.status):
		return m, outbound.NewUnanswered(fmt.Sprintf("the server answered %d", got.status))
	case got.status != http.StatusOK:
		return m, fmt.Errorf("the server answered %d", got.status)
	case json.Unmarshal(got.body, &m) != nil:
		return m, errors.New("it cannot be read")
	}
	return m, nil
}
