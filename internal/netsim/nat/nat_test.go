package nat

import (
	"net"
	"testing"
	"time"

	"github.com/pion/transport/v5"

	"gasso/internal/netsim"
)

const (
	life = 400 * time.Millisecond // of mappings
	soon = 100 * time.Millisecond // until a packet has arrived or will not
)

// place is a socket somewhere in an internet.
type place struct {
	t *testing.T
	transport.UDPConn
}

// public is a socket at a new public address.
func public(t *testing.T, n *Internet) place {
	t.Helper()
	host, address, err := n.Host()
	if err != nil {
		t.Fatal(err)
	}
	return open(t, host, net.ParseIP(address))
}

func open(t *testing.T, host transport.Net, ip net.IP) place {
	t.Helper()
	conn, err := host.ListenUDP("udp4", &net.UDPAddr{IP: ip, Port: 5000})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return place{t, conn}
}

func (p place) send(to net.Addr) {
	p.t.Helper()
	if _, err := p.WriteTo([]byte("hello"), to); err != nil {
		p.t.Fatal(err)
	}
}

// receives tells whether a packet comes, and from where.
func (p place) receives() (from net.Addr, ok bool) {
	p.t.Helper()
	if err := p.SetReadDeadline(time.Now().Add(soon)); err != nil {
		p.t.Fatal(err)
	}
	_, from, err := p.ReadFrom(make([]byte, 100))
	return from, err == nil
}

func TestTranslatorsMapAndFilterAsTheirKind(t *testing.T) {
	for _, c := range []struct {
		name         string
		kind         Kind
		same, answer bool // one port toward all; a stranger is let in
	}{
		{"endpoint-independent", EndpointIndependent, true, true},
		{"port restricted", PortRestricted, true, false},
		{"symmetric", Symmetric, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			n, err := New(1)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = n.Close() })
			one, two, stranger := public(t, n), public(t, n), public(t, n)
			host, err := n.Behind(c.kind, life)
			if err != nil {
				t.Fatal(err)
			}
			inside := open(t, host, net.IPv4zero)
			inside.send(one.LocalAddr())
			inside.send(two.LocalAddr())
			a, okA := one.receives()
			b, okB := two.receives()
			if !okA || !okB || (a.String() == b.String()) != c.same {
				t.Fatalf("seen as %v and %v", a, b)
			}
			one.send(a)
			if _, ok := inside.receives(); !ok {
				t.Error("an answer does not come in")
			}
			stranger.send(a)
			if _, ok := inside.receives(); ok != c.answer {
				t.Errorf("a stranger comes in: %v", ok)
			}
			time.Sleep(2 * life) // vnet has no clock to set
			one.send(a)
			if _, ok := inside.receives(); ok {
				t.Error("a mapping that nothing used is there")
			}
		})
	}
}

func TestConditionsHold(t *testing.T) {
	n, err := New(1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	one, two := public(t, n), public(t, n)
	for _, c := range []struct {
		conditions netsim.Conditions
		passes     bool
	}{{netsim.Conditions{}, true}, {netsim.Conditions{Blackout: true}, false}, {netsim.Conditions{}, true}} {
		n.Set(c.conditions)
		one.send(two.LocalAddr())
		if _, ok := two.receives(); ok != c.passes {
			t.Errorf("with %+v a packet passes: %v", c.conditions, ok)
		}
	}
}
