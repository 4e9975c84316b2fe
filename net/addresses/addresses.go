// Package addresses knows the IPv6 addresses that lead to an IPv4 one, so that nobody gets around a rule by
// another spelling.
package addresses

import (
	"net/netip"
	"slices"
)

// carriers are networks that carry an IPv4 address, and the byte at which it starts.
var carriers = []struct {
	network netip.Prefix
	at      int
}{
	{netip.MustParsePrefix("::/96"), 12},           // IPv4-compatible, RFC 4291, section 2.5.5.1
	{netip.MustParsePrefix("::ffff:0:0:0/96"), 12}, // SIIT, RFC 2765
	{netip.MustParsePrefix("64:ff9b::/96"), 12},    // NAT64, RFC 6052
	{netip.MustParsePrefix("2002::/16"), 2},        // 6to4, RFC 3056
}

// Interface identifiers that say that an IPv4 address follows, RFC 5214, section 6.1 (ISATAP).
var isatap = [][4]byte{{0, 0, 0x5e, 0xfe}, {2, 0, 0x5e, 0xfe}}

// Embedded is the IPv4 address inside an IPv6 one; false when there is none. Teredo (RFC 4380) is left out:
// what it carries is where a relay finds somebody, behind any network.
func Embedded(a netip.Addr) (netip.Addr, bool) {
	if !a.Is6() {
		return netip.Addr{}, false
	}
	if a = a.WithZone(""); a.Is4In6() {
		return a.Unmap(), true // RFC 4291, section 2.5.5.2
	}
	b := a.As16()
	for _, c := range carriers {
		if c.network.Contains(a) {
			return netip.AddrFrom4([4]byte(b[c.at : c.at+4])), true
		}
	}
	if slices.Contains(isatap, [4]byte(b[8:12])) {
		return netip.AddrFrom4([4]byte(b[12:16])), true
	}
	return netip.Addr{}, false
}
