package outbound

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
)

// ParseURL reads an http or https URL. The error does not repeat it.
func ParseURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, errors.New("not a URL")
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, errors.New("not an http or https URL")
	}
	return u, nil
}

// Origin is a URL's scheme, host and port (RFC 6454), in one notation.
func Origin(u *url.URL) string { return u.Scheme + "://" + host(u) }

// host is a URL's host, with the port where it is not the scheme's own.
func host(u *url.URL) string {
	name, port := hostName(u.Hostname()), u.Port()
	if port == "" || port == "80" && u.Scheme == "http" || port == "443" && u.Scheme == "https" {
		if strings.Contains(name, ":") {
			return "[" + name + "]"
		}
		return name
	}
	return net.JoinHostPort(name, port)
}

func hostName(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// CheckPrefix reports why a URL cannot be a prefix of [Policy] and [Credential].
func CheckPrefix(raw string) error {
	u, err := ParseURL(raw)
	switch {
	case err != nil:
		return fmt.Errorf("URL prefix: %w", err)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return errors.New("URL prefix: must have neither user nor query nor fragment")
	case !plainPath(u):
		return errors.New("URL prefix: the path must have no dot segments, backslashes or encoded slashes")
	}
	return nil
}

// covers reports whether a URL lies under a prefix: same origin, and the same path or one below it.
func covers(prefix string, u *url.URL) bool {
	p, err := url.Parse(prefix)
	if err != nil || CheckPrefix(prefix) != nil || Origin(p) != Origin(u) {
		return false
	}
	path := strings.TrimSuffix(p.Path, "/")
	if path == "" {
		return true
	}
	// What a server may take for another path is under no path.
	return plainPath(u) && (u.Path == path || strings.HasPrefix(u.Path, path+"/"))
}

// plainPath reports whether all servers see the same segments in a path.
func plainPath(u *url.URL) bool {
	dots := func(segment string) bool {
		name, _, _ := strings.Cut(segment, ";") // parameters, which some servers drop first
		return name == "." || name == ".."
	}
	escaped := strings.ToLower(u.EscapedPath())
	return !slices.ContainsFunc(strings.Split(u.Path, "/"), dots) && !strings.Contains(u.Path, `\`) &&
		!strings.Contains(escaped, "%2f") && !strings.Contains(escaped, "%25")
}
