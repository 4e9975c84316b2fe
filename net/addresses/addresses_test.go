package addresses

import (
	"net/netip"
	"testing"
)

func TestEveryCarrierIsKnown(t *testing.T) {
	for text, want := range map[string]string{
		"::ffff:10.0.0.1": "10.0.0.1", "::127.0.0.1": "127.0.0.1", "::1": "0.0.0.1", "::ffff:0:127.0.0.1": "127.0.0.1",
		"64:ff9b::a9fe:a9fe": "169.254.169.254", "2002:c0a8:101::1": "192.168.1.1", "2002:7f00:1::": "127.0.0.1",
		"2001:db8::5efe:10.0.0.1": "10.0.0.1", "2606:4700::200:5efe:192.168.1.1": "192.168.1.1", "fe80::5efe:10.0.0.1%eth0": "10.0.0.1",
		"2606:4700:4700::1111": "", "8.8.8.8": "", "2001:db8::1:5efe:a00:1": "", "64:ff9b:0:0:1::": "",
	} {
		got, ok := Embedded(netip.MustParseAddr(text))
		if ok != (want != "") || ok && got.String() != want {
			t.Errorf("%s carries %s, %v; want %q", text, got, ok, want)
		}
	}
}

func FuzzEmbedded(f *testing.F) {
	f.Add(netip.MustParseAddr("2002:7f00:1::").AsSlice(), "")
	f.Add(netip.MustParseAddr("fe80::5efe:10.0.0.1").AsSlice(), "eth0")
	f.Add([]byte{127, 0, 0, 1}, "")
	f.Fuzz(func(t *testing.T, b []byte, zone string) {
		a, ok := netip.AddrFromSlice(b)
		if !ok {
			return
		}
		inner, ok := Embedded(a)
		if ok && (!inner.Is4() || a.Is4()) {
			t.Errorf("%s carries %s", a, inner)
		}
		if other, also := Embedded(a.WithZone(zone)); also != ok || other != inner {
			t.Errorf("%s carries %s, with a zone %s", a, inner, other)
		}
	})
}
