package smart

import (
	"cmp"
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
// What they lead to is held to the client's policy, as they are, and to what trusted says of a URL: whoever can change what is read of
// it gets what is sent to the token endpoint. Errors: an [outbound.Unanswered] where one of them may have said so.
func discoverBy(ctx context.Context, web *outbound.Client, urls []string, trusted func(string) error) (from, tokenURL string, err error) {
	var problems []string
	for i, raw := range urls {
		var m metadata
		err := trusted(raw)
		if err == nil {
			m, err = readMetadata(ctx, web, raw)
		}
		if err == nil && m.TokenEndpoint == "" && len(m.Servers) > 0 {
			m, err = readServers(ctx, web, raw, m.Servers, trusted)
		}
		if isUnanswered(err) {
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

func isUnanswered(err error) bool {
	unanswered := (*outbound.Unanswered)(nil)
	return errors.As(err, &unanswered)
}

// readServers reads the metadata of the first of some authorization servers that has a token endpoint. That one was not answered
// counts for more than what is wrong with the others: it may be the one.
func readServers(ctx context.Context, web *outbound.Client, from string, servers []string, trusted func(string) error) (m metadata, err error) {
	var unanswered error
	for _, server := range servers[:min(len(servers), maxServers)] {
		switch err = trusted(server); {
		case downgrades(from, server):
			err = errors.New("it is reached by https and names a server that is not")
		case err != nil:
			err = fmt.Errorf("its authorization server: %w", err)
		default:
			m, err = readServer(ctx, web, server)
		}
		if err == nil {
			return m, nil
		}
		if unanswered == nil && isUnanswered(err) {
			unanswered = err
		}
	}
	return metadata{}, cmp.Or(unanswered, err)
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
		m, err = readMetadata(ctx, web, place)
		if err == nil && m.TokenEndpoint != "" || isUnanswered(err) { // else it could be at the other place
			return m, err
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
