package supplier

import (
	"encoding/json"
	"errors"
	"fmt"
)

// credentialProblems reports what is wrong with credentials. Nothing of them is in the texts.
func (s Supplier) credentialProblems() (problems []Problem) {
	c := s.Credentials
	check := func(field string, err error) {
		if err != nil {
			problems = append(problems, Problem{field, err})
		}
	}
	for i, h := range c.TokenHashes {
		check(fmt.Sprintf("token_hashes[%d]", i), checkHash(h))
	}
	switch hasKeys := c.JWKSURL != "" || c.JWKS != nil; {
	case c.ClientID == "" && hasKeys:
		check("client_id", errors.New("must be set where there are keys"))
	case c.ClientID != "" && !hasKeys:
		check("client_id", errors.New("needs its public keys: set jwks_url or jwks"))
	}
	if c.JWKSURL != "" {
		if c.JWKS != nil {
			check("jwks_url", errors.New("set it or jwks, not both"))
		}
		check("jwks_url", s.CheckTrusted(c.JWKSURL))
	}
	if c.JWKS != nil {
		check("jwks", checkJWKS(c.JWKS))
	}
	if c.FetchOAuth != nil {
		problems = append(problems, s.fetchProblems()...)
	}
	return problems
}

// checkJWKS reports whether a text is a set of public keys (RFC 7517). A private key has the
// parameter d, and a symmetric one k; both are secrets that must not be here.
func checkJWKS(text json.RawMessage) error {
	var set struct {
		Keys []map[string]json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil || len(set.Keys) == 0 {
		return errors.New("must be a JSON Web Key Set: an object with an array keys that is not empty")
	}
	for i, key := range set.Keys {
		if key["kty"] == nil {
			return fmt.Errorf("keys[%d]: kty is missing", i)
		}
		if key["d"] != nil || key["k"] != nil {
			return fmt.Errorf("keys[%d]: is a secret key; only public keys belong here", i)
		}
	}
	return nil
}
