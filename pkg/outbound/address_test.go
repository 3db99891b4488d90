package outbound

import (
	"net/netip"
	"testing"
)

func TestClass(t *testing.T) {
	t.Parallel()
	for _, internal := range []string{
		"0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.0.1",
		"168.63.129.16", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.168.1.1", "198.18.0.1",
		"224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
		"::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1",
		"64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1",
	} {
		if class(netip.MustParseAddr(internal)) == "" {
			t.Errorf("%s counts as public", internal)
		}
	}
	for _, public := range []string{
		"1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0", "172.15.255.255",
		"172.32.0.0", "192.167.255.255", "192.169.0.0", "223.255.255.255", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1", "2606:4700:4700::1111", "2a00:1450::1",
	} {
		if why := class(netip.MustParseAddr(public)); why != "" {
			t.Errorf("%s counts as %s", public, why)
		}
	}
}

// TestAllowsAddress: it is the address connected to that counts, and the name only to allow it.
func TestAllowsAddress(t *testing.T) {
	t.Parallel()
	p := &Policy{InternalHosts: []string{"fhir.clinic.example", "store.clinic.example:8443", "10.0.0.9", "[fd00::9]"}}
	tests := []struct {
		addr, connected string
		want            bool
	}{
		{"public.example:443", "1.1.1.1:443", true},
		{"public.example:443", "[2606:4700:4700::1111]:443", true},
		{"rebound.example:443", "127.0.0.1:443", false},
		{"rebound.example:443", "[::ffff:10.0.0.9]:443", false},
		{"rebound.example:443", "10.0.0.9:443", false},
		{"fhir.clinic.example:443", "10.1.2.3:443", true},
		{"FHIR.clinic.example.:80", "10.1.2.3:80", true},
		{"x.fhir.clinic.example:443", "10.1.2.3:443", false},
		{"store.clinic.example:8443", "10.1.2.3:8443", true},
		{"store.clinic.example:443", "10.1.2.3:443", false},
		{"10.0.0.9:80", "10.0.0.9:80", true},
		{"[fd00::9]:80", "[fd00::9]:80", true},
		{"[fd00::8]:80", "[fd00::8]:80", false},
		{"no port", "1.1.1.1:1", false},
		{"a:1", "not an address", false},
	}
	for _, tt := range tests {
		if err := p.allowsAddress(tt.addr, tt.connected); (err == nil) != tt.want {
			t.Errorf("%s at %s: %v, want it allowed: %v", tt.addr, tt.connected, err, tt.want)
		}
	}
}
