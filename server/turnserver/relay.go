package turnserver

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"

	"github.com/pion/turn/v5"
	"golang.org/x/time/rate"
)

var (
	errNoTCPRelay = errors.New("only UDP is relayed")
	errNoFamily   = errors.New("no relay address of this family")
	errQuota      = errors.New("quota reached")
	errNoPort     = errors.New("no relay port is free")
)

// relays makes relayed addresses. It implements turn.RelayAddressGenerator.
type relays struct{ s *Server }

// Validate implements turn.RelayAddressGenerator.
func (relays) Validate() error { return nil }

// AllocateListener implements turn.RelayAddressGenerator: TCP is not relayed (RFC 6062).
func (relays) AllocateListener(turn.AllocateListenerConfig) (net.Listener, net.Addr, error) {
	return nil, nil, errNoTCPRelay
}

// AllocateConn implements turn.RelayAddressGenerator: TCP is not relayed (RFC 6062).
func (relays) AllocateConn(turn.AllocateConnConfig) (net.Conn, error) { return nil, errNoTCPRelay }

// AllocatePacketConn implements turn.RelayAddressGenerator. Without a participant it only looks for a
// port that is free (EVEN-PORT, RFC 8656, section 18.6).
func (g relays) AllocatePacketConn(want turn.AllocateListenerConfig) (_ net.PacketConn, _ net.Addr, err error) {
	defer g.s.recovered()
	err = errPanicked
	at, ok := g.s.relayAddress(want.Network == "udp6")
	if !ok {
		return nil, nil, errNoFamily
	}
	if want.UserID == "" {
		socket, err := g.s.cfg.Ports.listen(want.Network, at.Local, want.RequestedPort)
		if err != nil {
			return nil, nil, err
		}
		return socket, socket.LocalAddr(), nil
	}
	if !g.s.quota.take(want.UserID) {
		g.s.counts.quota.Add(1)
		return nil, nil, errQuota
	}
	socket, err := g.s.cfg.Ports.listen(want.Network, at.Local, want.RequestedPort)
	if err != nil {
		g.s.quota.giveBack(want.UserID)
		g.s.log.Warn("relay port not opened", "error", err)
		return nil, nil, err
	}
	public := netip.AddrPortFrom(at.Public, uint16(socket.LocalAddr().(*net.UDPAddr).Port))
	c := &relayConn{
		UDPConn: socket, s: g.s, participant: want.UserID, at: at, public: public,
		toPeer:   rate.NewLimiter(maxBytesPerSecond, burstBytes),
		fromPeer: rate.NewLimiter(maxBytesPerSecond, burstBytes),
		peers:    map[netip.Addr]bool{},
	}
	g.s.opened(c)
	return c, net.UDPAddrFromAddrPort(public), nil
}

// listen opens a port of the range: the one that is wanted, or any free one, starting anywhere.
func (r PortRange) listen(network string, local netip.Addr, wanted int) (*net.UDPConn, error) {
	if wanted != 0 {
		if wanted > int(r.Max) || !r.has(uint16(wanted)) {
			return nil, errNoPort
		}
		r = PortRange{uint16(wanted), uint16(wanted)}
	}
	n := int(r.Max) - int(r.Min) + 1
	start := rand.IntN(n) //nolint:gosec // no secret: the permission protects a relayed address
	for i := range n {
		port := r.Min + uint16((start+i)%n)
		c, err := net.ListenUDP(network, net.UDPAddrFromAddrPort(netip.AddrPortFrom(local, port)))
		if err == nil {
			return c, errors.Join(c.SetReadBuffer(relaySocketBuffer), c.SetWriteBuffer(relaySocketBuffer))
		}
		if i == n-1 {
			return nil, fmt.Errorf("%w: %w: widen --turn-relay-ports", errNoPort, err)
		}
	}
	return nil, errNoPort
}

func (r PortRange) has(port uint16) bool { return port >= r.Min && port <= r.Max }

// relayConn is the socket behind one relayed address. What the policy or the limit forbids is dropped
// and counted.
type relayConn struct {
	*net.UDPConn
	s                *Server
	participant      string
	at               Relay
	public           netip.AddrPort // as told to others
	toPeer, fromPeer *rate.Limiter  // bytes
	last             struct {       // of ReadFrom, which one goroutine calls
		from netip.AddrPort
		addr *net.UDPAddr
	}
	closing sync.Once

	mu       sync.Mutex // guards what follows
	peers    map[netip.Addr]bool
	channels int
}

// ReadFrom takes what comes from peers.
func (c *relayConn) ReadFrom(p []byte) (_ int, _ net.Addr, err error) {
	defer c.s.recovered()
	err = errPanicked
	for {
		n, from, err := c.ReadFromUDPAddrPort(p)
		if err != nil {
			return 0, nil, err
		}
		from = c.s.outside(netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), c.at)
		switch {
		case !c.s.policy.allows(from):
			c.s.counts.forbidden.Add(1)
			continue
		case !c.fromPeer.AllowN(c.s.cfg.Now(), n):
			c.s.counts.limited.Add(1)
			continue
		}
		c.s.counts.bytes.Add(int64(n))
		if c.last.from != from {
			c.last.from, c.last.addr = from, net.UDPAddrFromAddrPort(from)
		}
		return n, c.last.addr, nil
	}
}

// WriteTo sends to a peer.
func (c *relayConn) WriteTo(p []byte, addr net.Addr) (_ int, err error) {
	defer c.s.recovered()
	err = errPanicked
	to := addr.(*net.UDPAddr).AddrPort()
	to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	switch {
	case !c.s.policy.allows(to):
		c.s.counts.forbidden.Add(1)
		return len(p), nil
	case !c.toPeer.AllowN(c.s.cfg.Now(), len(p)):
		c.s.counts.limited.Add(1)
		return len(p), nil
	}
	c.s.counts.bytes.Add(int64(len(p)))
	return c.WriteToUDPAddrPort(p, c.s.inside(to, c.at))
}

// Close ends the relayed address; pion may call it more than once.
func (c *relayConn) Close() error {
	err := net.ErrClosed
	c.closing.Do(func() {
		c.s.quota.giveBack(c.participant)
		c.s.ended(c)
		err = c.UDPConn.Close()
	})
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// outside is how a peer's address is known: this machine's own relays and media under the address
// that is told to others, so that no router has to send them back (hairpin).
func (s *Server) outside(from netip.AddrPort, at Relay) netip.AddrPort {
	if from.Addr() == at.Local && (s.policy.relay.has(from.Port()) || s.policy.ownPorts[from.Port()]) {
		return netip.AddrPortFrom(at.Public, from.Port())
	}
	return from
}

// inside undoes outside.
func (s *Server) inside(to netip.AddrPort, at Relay) netip.AddrPort {
	if to.Addr() == at.Public {
		return netip.AddrPortFrom(at.Local, to.Port())
	}
	return to
}
