package outbound

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
)

// Policy says what may be asked on behalf of a supplier. A nil one allows everything; one that names
// no prefix allows nothing.
type Policy struct {
	Prefixes      []string `json:"prefixes"`                 // URLs that others must lie under: https://example.org/bulk/
	InternalHosts []string `json:"internal_hosts,omitempty"` // names or addresses, with or without a port, that need not be public
	MaxBody       int64    `json:"max_body,omitempty"`       // bytes of an answer; 0: no limit
}

// Check reports everything that is wrong with a policy.
func (p *Policy) Check() error {
	if p == nil {
		return nil
	}
	var errs []error
	for i, prefix := range p.Prefixes {
		if err := CheckPrefix(prefix); err != nil {
			errs = append(errs, fmt.Errorf("prefixes[%d]: %w", i, err))
		}
	}
	for i, h := range p.InternalHosts {
		if h == "" || strings.ContainsAny(h, "/*@ ") {
			errs = append(errs, fmt.Errorf("internal_hosts[%d]: must be a host's name or address, as in URLs", i))
		}
	}
	if p.MaxBody < 0 {
		errs = append(errs, errors.New("max_body: must not be negative"))
	}
	return errors.Join(errs...)
}

// Refusal is why a policy does not allow a request. Nothing was sent.
type Refusal struct{ reason string }

func (r *Refusal) Error() string { return "refused by the supplier's policy: " + r.reason }

// Allows returns a [Refusal] for a URL that is under none of the prefixes.
func (p *Policy) Allows(u *url.URL) error {
	if p == nil || slices.ContainsFunc(p.Prefixes, func(prefix string) bool { return covers(prefix, u) }) {
		return nil
	}
	return &Refusal{fmt.Sprintf("the URL, at %s, is under none of the allowed URL prefixes; to allow it, add a prefix that it begins with to the supplier's url_prefixes", Origin(u))}
}

// dial connects to a host, provided that the address which its name has at this moment may be
// connected to.
func (p *Policy) dial(ctx context.Context, dialer net.Dialer, network, addr string) (net.Conn, error) {
	dialer.ControlContext = func(_ context.Context, _, connected string, _ syscall.RawConn) error {
		return p.allowsAddress(addr, connected)
	}
	return dialer.DialContext(ctx, network, addr)
}

// allowsAddress judges the address and port that a host and port were resolved to.
func (p *Policy) allowsAddress(addr, connected string) error {
	name, port, err := net.SplitHostPort(addr)
	if err != nil {
		return &Refusal{"the host cannot be read"}
	}
	to, err := netip.ParseAddrPort(connected)
	if err != nil {
		return &Refusal{"the host's address cannot be read"}
	}
	name = hostName(name)
	why := class(to.Addr())
	if why == "" || slices.ContainsFunc(p.InternalHosts, func(h string) bool {
		h = hostName(h)
		return h == name || h == net.JoinHostPort(name, port) || h == "["+name+"]"
	}) {
		return nil
	}
	return &Refusal{fmt.Sprintf("the address of %s is not public but %s; to allow it, add the host to the supplier's internal_hosts", name, why)}
}

// Credential is a header that is sent to URLs under a prefix, and to no other.
type Credential struct {
	Prefix string
	Header string                                // such as Authorization
	Value  func(context.Context) (string, error) // asked for with each request; its errors hold no secret
	Forget func(value string) bool               // a server did not take a value; reports whether there will be another. nil: there is none
}

// Fixed is the value of a credential that does not change.
func Fixed(value string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return value, nil }
}
