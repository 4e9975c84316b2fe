package turnserver

import (
	"net/netip"
	"slices"

	"gasso/net/addresses"
)

// denied are the networks that nobody on the Internet has: relaying there would open what only this
// machine can reach. IANA special-purpose address registries (RFC 6890), and addresses at which
// clouds serve credentials.
var denied = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.0.0.0/24"), netip.MustParsePrefix("192.88.99.0/24"), netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("224.0.0.0/4"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("168.63.129.16/32"), // Azure's host
	netip.MustParsePrefix("::/96"),            // unspecified, loopback, IPv4-compatible
	netip.MustParsePrefix("64:ff9b:1::/48"),   // NAT64 of one network, RFC 8215
	netip.MustParsePrefix("100::/64"), netip.MustParsePrefix("2001::/23"), netip.MustParsePrefix("5f00::/16"),
	netip.MustParsePrefix("fc00::/7"), netip.MustParsePrefix("fe80::/10"), netip.MustParsePrefix("fec0::/10"),
	netip.MustParsePrefix("ff00::/8"),
}

// isDenied tells whether an address, in any spelling, is on the deny list.
func isDenied(a netip.Addr) bool {
	a = a.WithZone("").Unmap()
	if inner, ok := addresses.Embedded(a); ok && isDenied(inner) {
		return true
	}
	return slices.ContainsFunc(denied, func(p netip.Prefix) bool { return p.Contains(a) })
}

// policy says where may be relayed to.
type policy struct {
	allow    []netip.Prefix      // networks of the operator's choice, although denied
	own      map[netip.Addr]bool // this server's, to relay from or announced
	closed   map[netip.Addr]bool // of this machine, own ones or not
	ownPorts map[uint16]bool     // of this server's media
	relay    PortRange
}

// allowsHost tells whether some port of an address may be relayed to.
func (p *policy) allowsHost(a netip.Addr) bool {
	a = a.WithZone("").Unmap()
	if p.own[a] {
		return true
	}
	return a.IsValid() && !p.closed[a] && (!isDenied(a) || slices.ContainsFunc(p.allow, func(n netip.Prefix) bool { return n.Contains(a) }))
}

// allows tells whether an address may be relayed to. Of this machine that is the server's media and relayed
// addresses alone, where they are announced: whatever else listens there trusts the machine with itself.
func (p *policy) allows(to netip.AddrPort) bool {
	a := to.Addr().WithZone("").Unmap()
	if p.own[a] {
		return p.ownPorts[to.Port()] || p.relay.has(to.Port())
	}
	return to.Port() != 0 && p.allowsHost(a)
}
