package peer

import (
	"net"
	"net/netip"
	"slices"
)

// Addresses under which clouds tell their machines secrets, besides those of the own link.
var metadata = []netip.Addr{
	netip.MustParseAddr("100.100.100.200"), netip.MustParseAddr("168.63.129.16"), netip.MustParseAddr("192.0.0.192"),
	netip.MustParseAddr("fd00:ec2::254"), netip.MustParseAddr("fd20:ce::254"),
}

// Networks that carry an IPv4 address, and the byte at which it starts.
var carriers = []struct {
	network netip.Prefix
	at      int
}{
	{netip.MustParsePrefix("::/96"), 12},           // IPv4-compatible, RFC 4291
	{netip.MustParsePrefix("::ffff:0:0:0/96"), 12}, // RFC 2765
	{netip.MustParsePrefix("64:ff9b::/96"), 12},    // NAT64, RFC 6052
	{netip.MustParsePrefix("2002::/16"), 2},        // 6to4, RFC 3056
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
	b := a.As16()
	for _, c := range carriers {
		if c.network.Contains(a) {
			return isElsewhere(netip.AddrFrom4([4]byte(b[c.at : c.at+4])))
		}
	}
	return true
}
