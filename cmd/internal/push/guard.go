package push

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"
)

// ErrAddressRefused says that a subscriber's name leads to an address that webhooks must not go to.
var ErrAddressRefused = errors.New("address is not public")

// private are the addresses inside an organisation that AllowPrivate opens.
var private = mustPrefixes("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "::1/128", "fc00::/7")

// reserved are the addresses that lead nowhere, to this host's own network (where clouds keep their
// credentials), or through a translation to any of the others. Of IPv6 only 2000::/3 is public at all.
var reserved = mustPrefixes("0.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15",
	"198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")

var publicIPv6 = netip.MustParsePrefix("2000::/3")

func mustPrefixes(texts ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		out[i] = netip.MustParsePrefix(text)
	}
	return out
}

// checkAddress refuses addresses that a subscriber must not be at.
func checkAddress(ip netip.Addr, allowPrivate bool) error {
	ip = ip.Unmap().WithZone("")
	for _, prefix := range private {
		if prefix.Contains(ip) {
			if allowPrivate {
				return nil
			}
			return fmt.Errorf("%w: %s", ErrAddressRefused, ip)
		}
	}
	for _, prefix := range reserved {
		if prefix.Contains(ip) {
			return fmt.Errorf("%w: %s", ErrAddressRefused, ip)
		}
	}
	if ip.Is6() && !publicIPv6.Contains(ip) {
		return fmt.Errorf("%w: %s", ErrAddressRefused, ip)
	}
	return nil
}

// control is called with the address that is about to be connected to, after the name was resolved: the
// address that is checked is the one that is used, whatever the name leads to a moment later.
func control(allowPrivate bool) func(network, address string, _ syscall.RawConn) error {
	return func(_, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("%w: %s", ErrAddressRefused, address)
		}
		return checkAddress(at.Addr(), allowPrivate)
	}
}
