package source

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/outbound"
)

// personal are headers that say who asks. They are for the origin that they were given for; others
// are for every file that is listed there too, as $bulk-submit wants of fileRequestHeader.
func personal(name string) bool {
	return strings.EqualFold(name, "Authorization") || strings.EqualFold(name, "Cookie")
}

// access is how a URL is asked for.
type access struct {
	web    *outbound.Client
	secret http.Header
	home   string // origin that the headers were given for
}

func (l Locator) access(cfg Config) (access, error) {
	a := access{secret: http.Header{}, home: l.Home}
	if a.home == "" {
		u, err := outbound.ParseURL(l.URL)
		if err != nil {
			return a, err
		}
		a.home = outbound.Origin(u)
	}
	credentials := slices.DeleteFunc(slices.Clone(cfg.Credentials), func(c outbound.Credential) bool {
		return l.overrides(c, a.home) // none is asked for that would not be sent
	})
	for _, h := range l.Headers {
		if personal(h.Name) {
			credentials = append(credentials, outbound.Credential{Prefix: a.home, Header: h.Name, Value: outbound.Fixed(h.Value)})
			continue
		}
		a.secret.Add(h.Name, h.Value)
	}
	var err error
	a.web, err = outbound.New(cfg.HTTP, cfg.Policy, credentials...)
	return a, err
}

// overrides reports whether a header that was given for an origin is sent instead of a credential.
func (l Locator) overrides(c outbound.Credential, home string) bool {
	prefix, err := outbound.ParseURL(c.Prefix)
	return err == nil && outbound.Origin(prefix) == home && slices.ContainsFunc(l.Headers, func(h fhirmsg.Header) bool {
		return personal(h.Name) && strings.EqualFold(h.Name, c.Header)
	})
}

// headers are those for one URL. What was given for https is not sent in the clear.
func (a access) headers(u *url.URL) http.Header {
	if strings.HasPrefix(a.home, "https:") && u.Scheme != "https" {
		return nil
	}
	return a.secret
}

// withoutUser moves the user of a URL into a header, where it is kept from other origins.
func withoutUser(u *url.URL, headers []fhirmsg.Header) (*url.URL, []fhirmsg.Header) {
	if u.User == nil {
		return u, headers
	}
	password, _ := u.User.Password()
	req := http.Request{Header: http.Header{}}
	req.SetBasicAuth(u.User.Username(), password)
	bare := *u
	bare.User = nil
	return &bare, append(slices.Clone(headers), fhirmsg.Header{Name: "Authorization", Value: req.Header.Get("Authorization")})
}

// refused asks in another way where that may help, once: with the token that a manifest says is not
// needed, as it is for some servers; with another token, since one may expire before its time; or where the
// manifest says that the file is now, since URLs of files may expire.
func (s *httpStream) refused(resp *http.Response) error {
	err := refusal(resp, s.cfg.Now(), s.says(resp))
	switch resp.StatusCode {
	case http.StatusUnauthorized:
		if s.anonymous && s.web.HasCredential(s.url) {
			s.anonymous = false
			s.hangUp()
			return s.ask()
		}
		if !s.anonymous && !s.reminted && s.web.Forget(resp) {
			s.reminted = true
			s.hangUp()
			return s.ask()
		}
	case http.StatusForbidden, http.StatusNotFound, http.StatusGone:
		if s.at.Listed == nil || s.renewed {
			return err
		}
		s.renewed = true
		s.hangUp()
		now, renewErr := s.at.renewed(s.ctx, s.url, s.cfg)
		if renewErr != nil {
			return fmt.Errorf("%w; its manifest, read again: %w", err, renewErr)
		}
		if now.String() == s.url.String() {
			return err
		}
		s.url = now
		return s.ask()
	}
	return err
}
