package netwatch

import (
	"net"
	"net/netip"
	"slices"
	"strings"
)

// look reads the present state. What cannot be read is left out.
func look() view {
	return view{addresses: ownAddresses(), routes: systemRoutes() + sources(), asleep: asleep()}
}

// ownAddresses are those at which this machine can be reached from others.
func ownAddresses() string {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return ""
	}
	var usable []string
	for _, a := range all {
		prefix, err := netip.ParsePrefix(a.String())
		if err != nil {
			continue
		}
		if ip := prefix.Addr(); !ip.IsLoopback() && !ip.IsLinkLocalUnicast() && !ip.IsMulticast() {
			usable = append(usable, prefix.String())
		}
	}
	slices.Sort(usable)
	return strings.Join(usable, " ")
}

// sources are the addresses that this machine would send from to the outside, for which the system
// applies its routes and rules. Nothing is sent: a UDP socket connects by looking that up. The
// destinations are for documentation (RFC 5737, RFC 3849).
func sources() string {
	var found strings.Builder
	for _, outside := range []string{"192.0.2.1:9", "[2001:db8::1]:9"} {
		conn, err := net.Dial("udp", outside)
		if err != nil {
			continue
		}
		host, _, _ := net.SplitHostPort(conn.LocalAddr().String())
		found.WriteString(" from " + host)
		_ = conn.Close()
	}
	return found.String()
}
