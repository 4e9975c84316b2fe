package turnserver

import (
	"net/netip"
	"testing"
)

func TestDeniesForbiddenAddressesInEverySpelling(t *testing.T) {
	for _, text := range []string{
		"127.0.0.1", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.0.1", "169.254.169.254", "100.64.0.1", "100.100.100.200",
		"0.0.0.0", "192.0.0.192", "198.18.0.1", "224.0.0.1", "255.255.255.255", "168.63.129.16",
		"::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:a9fe:a9fe", "::ffff:0:127.0.0.1",
		"64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::", "2002:c0a8:101::1", "2002:a9fe:a9fe::",
		"2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:db8::5efe:10.0.0.1", "2606:4700::200:5efe:192.168.1.1",
		"fe80::1", "fe80::1%eth0", "fec0::1", "fd00:ec2::254", "fd20:ce::254", "fc00::1", "ff02::1", "100::1", "5f00::1",
	} {
		if !isDenied(netip.MustParseAddr(text)) {
			t.Errorf("%s is let through", text)
		}
	}
	for _, text := range []string{
		"8.8.8.8", "172.32.0.1", "100.128.0.1", "193.0.0.1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1",
		"2606:4700:4700::1111", "2001:4860:4860::8888",
	} {
		if isDenied(netip.MustParseAddr(text)) {
			t.Errorf("%s is denied", text)
		}
	}
}

func TestPolicyMakesExceptions(t *testing.T) {
	p := newPolicy(&Config{
		Relays: []Relay{{netip.MustParseAddr("10.0.0.5"), netip.MustParseAddr("203.0.113.7")}}, Ports: PortRange{50000, 50010},
		OwnPorts: []int{10000}, Own: []netip.Addr{netip.MustParseAddr("8.8.4.4")},
		Closed: []netip.Addr{
			netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("10.0.0.5"), netip.MustParseAddr("10.9.0.1"),
			netip.MustParseAddr("8.8.4.5"), netip.MustParseAddr("172.17.0.1"),
		},
		Allow: []netip.Prefix{netip.MustParsePrefix("10.9.0.0/16")},
	})
	for text, want := range map[string]bool{
		"10.0.0.5:10000": true, "203.0.113.7:10000": true, "203.0.113.7:50010": true, "8.8.4.4:10000": true,
		"203.0.113.7:50011": false, "203.0.113.7:22": false, "8.8.4.4:53": false, "10.0.0.5:53": false,
		"10.0.0.6:10000": false, "10.9.1.1:53": true, "1.1.1.1:53": true, "1.1.1.1:0": false, "127.0.0.1:10000": false,
		"8.8.4.5:10000": false, "8.8.4.5:53": false, "127.0.0.1:50010": false, "172.17.0.1:10000": false, "172.17.0.1:50005": false,
		"10.9.0.1:10000": false, "10.9.0.1:53": false, "10.0.0.5:50005": true,
		"[::ffff:10.0.0.5]:22": false, "[::ffff:10.9.1.1]:22": true,
	} {
		if got := p.allows(netip.MustParseAddrPort(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

func FuzzPolicy(f *testing.F) {
	f.Add([]byte{127, 0, 0, 1}, uint16(80))
	f.Add([]byte(netip.MustParseAddr("2002:7f00:1::").AsSlice()), uint16(1))
	p := newPolicy(&Config{})
	f.Fuzz(func(t *testing.T, b []byte, port uint16) {
		a, ok := netip.AddrFromSlice(b)
		if !ok {
			return
		}
		to := netip.AddrPortFrom(a, port)
		if mapped := netip.AddrPortFrom(netip.AddrFrom16(a.As16()), port); p.allows(to) != p.allows(mapped) {
			t.Errorf("%s and %s differ", to, mapped)
		}
		if p.allows(to) && (a.IsLoopback() || a.IsPrivate() || a.IsMulticast() || a.IsLinkLocalUnicast() || a.IsUnspecified()) {
			t.Errorf("%s is let through", to)
		}
	})
}
