package supplier

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/stoker-fhir/stoker/pkg/outbound"
)

// FetchOAuth is how a supplier's server gives out tokens (SMART Backend Services) for what is fetched from it.
type FetchOAuth struct {
	ClientID    string   `json:"client_id"`              // that the server knows Stoker by
	KeyFile     string   `json:"key_file,omitempty"`     // private key, PEM or JWK, where the fetcher runs; "": that of its settings
	KeyID       string   `json:"key_id,omitempty"`       // that the server knows the key by; "": what the key says, or its thumbprint
	TokenURL    string   `json:"token_url,omitempty"`    // "": as the server at base says
	Scope       string   `json:"scope,omitempty"`        // "": all that may be read
	URLPrefixes []string `json:"url_prefixes,omitempty"` // to which a token is sent; none: the server of base
}

// UnmarshalJSON implements [json.Unmarshaler]. A field that is misspelt is an error.
func (o *FetchOAuth) UnmarshalJSON(b []byte) error {
	type plain FetchOAuth
	in := json.NewDecoder(bytes.NewReader(b))
	in.DisallowUnknownFields()
	if err := in.Decode((*plain)(o)); err != nil {
		if misfit := (*json.UnmarshalTypeError)(nil); errors.As(err, &misfit) && misfit.Field == "" {
			return errors.New("must be a mapping with client_id, and with key_file, key_id, token_url, scope or url_prefixes")
		}
		return errors.New(strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}

// TokenFor is what a token is sent to: prefixes of URLs.
func (s Supplier) TokenFor() []string {
	if s.FetchOAuth == nil {
		return nil
	}
	if len(s.FetchOAuth.URLPrefixes) > 0 {
		return s.FetchOAuth.URLPrefixes
	}
	base, err := outbound.ParseURL(s.Base)
	if err != nil {
		return nil
	}
	return []string{outbound.Origin(base)}
}

func (s Supplier) fetchProblems() (problems []Problem) {
	check := func(field string, err error) {
		if err != nil {
			problems = append(problems, Problem{"fetch_oauth." + field, err})
		}
	}
	o := s.FetchOAuth
	if o.ClientID == "" {
		check("client_id", errors.New("must be set"))
	}
	switch {
	case o.TokenURL != "":
		check("token_url", s.CheckTrusted(o.TokenURL))
	case s.Base == "":
		check("token_url", errors.New("must be set where base is not, which would tell it"))
	default:
		check("token_url", s.CheckTrusted(s.Base))
	}
	if len(o.URLPrefixes) == 0 && s.Base == "" {
		check("url_prefixes", errors.New("must be set where base is not: a token is sent nowhere else"))
	}
	for i, prefix := range s.TokenFor() {
		err := outbound.CheckPrefix(prefix)
		if err == nil {
			err = s.CheckTrusted(prefix)
		}
		check(fmt.Sprintf("url_prefixes[%d]", i), err)
	}
	return problems
}

// CheckTrusted reports why a URL is not one that secrets may be sent to, or keys taken from: what is not encrypted
// must be within one's own network.
func (s Supplier) CheckTrusted(raw string) error {
	if err := checkURL(raw); err != nil {
		return err
	}
	u, err := url.Parse(raw)
	if err != nil {
		return errors.New("must be a URL")
	}
	name := strings.ToLower(u.Hostname())
	internal := slices.ContainsFunc(s.InternalHosts, func(h string) bool {
		h = strings.ToLower(h)
		return h == name || h == strings.ToLower(u.Host) || h == "["+name+"]" || h == net.JoinHostPort(name, u.Port())
	})
	if u.Scheme != "https" && !internal {
		return errors.New("must begin with https, unless its host is one of internal_hosts")
	}
	return nil
}
