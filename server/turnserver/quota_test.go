package turnserver

import (
	"fmt"
	"net/netip"
	"testing"
)

// takes counts how many allocations somebody gets from an address.
func takes(q *quota, participant string, from func(i int) netip.Addr, want int) (got int) {
	for i := range want {
		if !q.has(participant, from(i)) || !q.take(participant) {
			break
		}
		q.at(from(i), 1)
		got++
	}
	return got
}

func TestOneNetworkLeavesRelaysToOthers(t *testing.T) {
	for name, from := range map[string]func(int) netip.Addr{
		"an IPv4 address": func(int) netip.Addr { return netip.MustParseAddr("203.0.113.7") },
		"an IPv6 /64":     func(i int) netip.Addr { return netip.MustParseAddr(fmt.Sprintf("2001:db8:1:2::%x", i+1)) },
	} {
		q := quotaOf(PortRange{49152, 49407})
		got := 0
		for who := range 16 {
			got += takes(q, fmt.Sprint("p", who), from, 256)
		}
		if got > 256/shareOfAddress {
			t.Errorf("%s takes %d of 256 relays", name, got)
		}
		if takes(q, "another", func(int) netip.Addr { return netip.MustParseAddr("198.51.100.1") }, 1) != 1 {
			t.Errorf("%s leaves nothing", name)
		}
	}
}

// A room of eight in a mesh, each behind an address of their own, where UDP is blocked: seven links and the
// server's, each of which opens a relay over TCP and over TLS on two ports.
func TestRelaysSufficeForAFullMesh(t *testing.T) {
	q := quotaOf(PortRange{49152, 49407})
	for who := range 8 {
		from := func(int) netip.Addr { return netip.AddrFrom4([4]byte{198, 51, 100, byte(who)}) }
		if got := takes(q, fmt.Sprint("p", who), from, 8*3); got != 8*3 {
			t.Errorf("performer %d gets %d relays", who, got)
		}
	}
}

func TestFewPortsAreForWhoeverComes(t *testing.T) {
	if q := quotaOf(PortRange{50000, 50001}); q.perAddress < q.total {
		t.Errorf("%d of %d", q.perAddress, q.total)
	}
}
