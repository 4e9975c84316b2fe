package peer

import (
	"net"
	"net/netip"
	"slices"

	"gasso/net/addresses"
)

// Addresses under which clouds tell their machines secrets, besides those of the own link.
var metadata = []netip.Addr{
	netip.MustParseAddr("100.100.100.200"), netip.MustParseAddr("168.63.129.16"), netip.MustParseAddr("192.0.0.192"),
	netip.MustParseAddr("fd00:ec2::254"), netip.MustParseAddr("fd20:ce::254"),
}

// mayBeRemote tells whether the other side can be at an address. It may name any, and each is sent
// connectivity checks: this machine, its own link, clouds' metadata and groups are nowhere that another
// machine can be, however they are spelled. Private networks stay, since performers may share one.
func mayBeRemote(ip net.IP) bool {
	a, ok := netip.AddrFromSlice(ip)
	return ok && isElsewhere(a.Unmap())
}

func isElsewhere(a netip.Addr) bool {
	if a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsUnspecified() || a.IsMulticast() || slices.Contains(metadata, a) {
		return false
	}
	if a.Is4() {
		first := a.As4()[0]
		return first != 0 && first < 240 // RFC 1122, section 3.2.1.3; RFC 1112, section 4
	}
	inner, carries := addresses.Embedded(a)
	return !carries || isElsewhere(inner)
}
