package turnserver

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Bounds of datagrams from addresses that have no allocation: each may be forged, and each gets an
// answer that is about three times as long.
const (
	strangersPerSecond = 3000
	strangersBurst     = 6000
	sourcePerSecond    = 50
	sourceBurst        = 400 // an ensemble behind one address that comes back at once
	maxSources         = 8192
	sourceLife         = 10 * time.Second
)

// guard drops what strangers send too much of, before anything is computed or answered.
type guard struct {
	all *rate.Limiter

	mu         sync.Mutex // guards what follows
	young, old map[netip.Addr]*rate.Limiter
	generation time.Time // when young began
}

func newGuard() *guard {
	return &guard{
		all:   rate.NewLimiter(strangersPerSecond, strangersBurst),
		young: map[netip.Addr]*rate.Limiter{}, old: map[netip.Addr]*rate.Limiter{},
	}
}

// lets tells whether a stranger's datagram is looked at.
func (g *guard) lets(from netip.Addr, now time.Time) bool {
	return g.source(sourceOf(from), now).AllowN(now, 1) && g.all.AllowN(now, 1)
}

// source finds or makes the limit of a source. Two generations bound how many are remembered.
func (g *guard) source(from netip.Addr, now time.Time) *rate.Limiter {
	g.mu.Lock()
	defer g.mu.Unlock()
	if now.Sub(g.generation) > sourceLife || len(g.young) >= maxSources {
		g.young, g.old, g.generation = g.old, g.young, now
		clear(g.young)
	}
	l := g.young[from]
	if l == nil {
		if l = g.old[from]; l == nil {
			l = rate.NewLimiter(sourcePerSecond, sourceBurst)
		}
		g.young[from] = l
	}
	return l
}

// sourceOf is the network that one customer has: an IPv4 address or an IPv6 /64.
func sourceOf(a netip.Addr) netip.Addr {
	a = a.WithZone("").Unmap()
	if a.Is6() {
		p, _ := a.Prefix(64)
		return p.Addr()
	}
	return a
}

// guardedPackets is a UDP socket behind the guard.
type guardedPackets struct {
	net.PacketConn
	s *Server
}

// ReadFrom returns the next datagram that is let in and well-formed.
func (p *guardedPackets) ReadFrom(b []byte) (n int, addr net.Addr, err error) {
	for {
		n, addr, err = p.PacketConn.ReadFrom(b)
		if err != nil || p.admits(b[:n], addr) {
			return n, addr, err
		}
	}
}

// admits looks at a datagram before anything else does. A mistake over one costs that one.
func (p *guardedPackets) admits(b []byte, addr net.Addr) (ok bool) {
	defer p.s.recovered()
	c := clientOf(addr)
	switch {
	case !p.s.isClient(c) && !p.s.guard.lets(c.from.Addr(), p.s.cfg.Now()):
		p.s.counts.flooded.Add(1)
	case !wellFormed(b):
		p.s.counts.malformed.Add(1)
	default:
		return true
	}
	return false
}
