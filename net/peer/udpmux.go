package peer

import (
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// The journey of a packet that comes in: udpSocket.run reads it, udpMux.take finds the connection that
// it is for or drops it, muxConn.in holds it until the connection's ICE agent reads it. On the way out
// the agent writes to muxHandle, which knows whether the address has answered a check, and udpSocket
// sends it, at once or with the rest of a fan-out (batch).
//
// What nobody asked for costs no memory and no answer: without an entry for its address a packet must
// be a STUN request for a user fragment that is in use, and of those each connection takes so many a
// second.

const (
	datagramBytes = 2048
	waitingAtConn = 64                     // packets until its agent reads; more are dropped, the newest
	strangers     = 64                     // STUN requests of one connection in strangerSpan from addresses that are not known
	strangerSpan  = 500 * time.Millisecond //
)

var errNoSocket = errors.New("no media socket has that address")

// MuxCounters count what a server's media sockets did not take or could not send.
type MuxCounters struct {
	Refused     int64 // TCP connections beyond what is kept
	Unknown     int64 // from addresses that no connection has, and no check for one
	Unvalidated int64 // DTLS or media from an address that has passed no connectivity check
	Limited     int64 // checks from unknown addresses beyond what a connection takes
	Overflow    int64 // for connections that did not read
	Unsent      int64 // for which the system had no room
	Unproven    int64 // links that ended since DTLS failed: mostly another certificate than was announced
	Panics      int64 // mistakes of the server over one packet; should stay 0
}

type muxCounters struct {
	unknown, unvalidated, limited, overflow, unsent, unproven, panics atomic.Int64
}

// udpMux shares one port among connections: an ice.UDPMux that drops early, bounds what waits, and
// sends a fan-out with few system calls.
type udpMux struct {
	sockets []*udpSocket
	counted *muxCounters
	log     *slog.Logger
	now     func() time.Time
	fanOuts *atomic.Int32 // of the Mux, under way: what they send is gathered
	readers sync.WaitGroup

	mu       sync.RWMutex // guards what follows
	byUser   map[string][]*muxConn
	byRemote map[muxKey]*muxRemote
	rivals   map[muxKey][]*muxRival // of connections that a validated entry is kept from, the newest last
	closed   bool
}

// muxKey is a way between two addresses.
type muxKey struct {
	socket *udpSocket
	remote netip.AddrPort
}

// muxRemote is an address that a connection has sent to.
type muxRemote struct {
	addr      netip.AddrPort
	conn      *muxConn
	validated atomic.Bool // a connectivity check has shown that the other side is there
	displaced atomic.Bool // another connection has the address now
}

// muxConn is what one ICE agent has of one socket.
type muxConn struct {
	mux    *udpMux
	socket *udpSocket
	user   string // fragment, of our side
	in     chan *datagram

	last    atomic.Pointer[muxRemote] // written to last
	remotes []netip.AddrPort          // guarded by mux.mu
	handles map[*muxHandle]struct{}   // guarded by mux.mu

	// Of the socket's goroutine.
	strangersSince time.Time
	strangers      int
}

// muxHandle is a muxConn as one candidate has it; there may be several, of which any reads a packet.
type muxHandle struct {
	*muxConn
	done chan struct{}
	over atomic.Bool
}

type datagram struct {
	data [datagramBytes]byte
	n    int
	from netip.AddrPort
}

var datagrams = sync.Pool{New: func() any { return new(datagram) }}

func newUDPMux(sockets []*udpSocket, counted *muxCounters, fanOuts *atomic.Int32, log *slog.Logger) *udpMux {
	m := &udpMux{
		sockets: sockets, counted: counted, fanOuts: fanOuts, log: log, now: time.Now,
		byUser: map[string][]*muxConn{}, byRemote: map[muxKey]*muxRemote{},
		rivals: map[muxKey][]*muxRival{},
	}
	for _, s := range sockets {
		s.mux = m
		m.readers.Go(s.run)
	}
	return m
}

// GetListenAddresses implements ice.UDPMux.
func (m *udpMux) GetListenAddresses() []net.Addr {
	addresses := make([]net.Addr, len(m.sockets))
	for i, s := range m.sockets {
		addresses[i] = s.local
	}
	return addresses
}

// GetConn implements ice.UDPMux.
func (m *udpMux) GetConn(user string, addr net.Addr) (net.PacketConn, error) {
	socket := m.socketAt(addr)
	if socket == nil {
		return nil, errNoSocket
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, net.ErrClosed
	}
	conn := connAt(m.byUser[user], socket)
	if conn == nil {
		conn = &muxConn{mux: m, socket: socket, user: user, in: make(chan *datagram, waitingAtConn), handles: map[*muxHandle]struct{}{}}
		m.byUser[user] = append(m.byUser[user], conn)
	}
	h := &muxHandle{muxConn: conn, done: make(chan struct{})}
	conn.handles[h] = struct{}{}
	return h, nil
}

func (m *udpMux) socketAt(addr net.Addr) *udpSocket {
	udp, ok := addr.(*net.UDPAddr)
	if !ok {
		return nil
	}
	for _, s := range m.sockets {
		if s.local.IP.Equal(udp.IP) && s.local.Port == udp.Port {
			return s
		}
	}
	return nil
}

func connAt(conns []*muxConn, socket *udpSocket) *muxConn {
	for _, c := range conns {
		if c.socket == socket {
			return c
		}
	}
	return nil
}

// RemoveConnByUfrag implements ice.UDPMux: nothing more comes in for that fragment.
func (m *udpMux) RemoveConnByUfrag(user string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.byUser[user] {
		m.forgetLocked(c)
	}
}

func (m *udpMux) forgetLocked(c *muxConn) {
	var others []*muxConn
	for _, other := range m.byUser[c.user] {
		if other != c {
			others = append(others, other)
		}
	}
	if m.byUser[c.user] = others; len(others) == 0 {
		delete(m.byUser, c.user)
	}
	for _, remote := range c.remotes {
		key := muxKey{c.socket, remote}
		if r := m.byRemote[key]; r != nil && r.conn == c { // else another connection goes there now
			delete(m.byRemote, key)
		}
		m.withdrawLocked(key, c)
	}
	c.remotes = nil
}

// Close implements ice.UDPMux.
func (m *udpMux) Close() error {
	m.mu.Lock()
	m.closed = true
	for _, conns := range m.byUser {
		for _, c := range conns {
			for h := range c.handles {
				h.endLocked()
			}
		}
	}
	m.mu.Unlock()
	errs := make([]error, len(m.sockets))
	for i, s := range m.sockets {
		errs[i] = s.conn.Close()
	}
	m.readers.Wait()
	return errors.Join(errs...)
}

// take gives a packet to its connection; false when that did not keep it.
func (m *udpMux) take(s *udpSocket, d *datagram) bool {
	b := d.data[:d.n]
	user := checkedUser(b)
	m.mu.RLock()
	key := muxKey{s, d.from}
	remote, contested := m.byRemote[key], len(m.rivals[key]) > 0
	var conn *muxConn
	if user != nil {
		conn = connAt(m.byUser[string(user)], s)
	}
	m.mu.RUnlock()
	if contested && isAnswer(b) {
		remote = m.settle(key, b[stunHeaderBytes-stunIDBytes:stunHeaderBytes])
	}
	switch {
	case conn != nil && remote == nil && !conn.takesStranger(m.now()):
		m.counted.limited.Add(1)
		return false
	case conn == nil && remote == nil:
		m.counted.unknown.Add(1)
		return false
	case conn == nil && b[0] > 3 && !remote.validated.Load(): // RFC 7983, section 7: up to 3 is STUN
		m.counted.unvalidated.Add(1)
		return false
	case conn == nil:
		conn = remote.conn
	}
	select {
	case conn.in <- d:
		return true
	default:
		m.counted.overflow.Add(1)
		return false
	}
}

// takesStranger tells whether the connection looks at one more check from an address that it never
// wrote to: each costs an HMAC, whoever sent it.
func (c *muxConn) takesStranger(now time.Time) bool {
	if since := now.Sub(c.strangersSince); since >= strangerSpan || since < 0 {
		c.strangersSince, c.strangers = now, 0
	}
	c.strangers++
	return c.strangers <= strangers
}

// STUN (RFC 8489, section 5), as far as it decides where a packet goes.
const (
	stunHeaderBytes    = 20
	stunCookie         = 0x2112A442
	stunBindingRequest = 0x0001
	stunBindingSuccess = 0x0101
	stunUsername       = 0x0006
)

// checkedUser is our user fragment in a well-formed connectivity check (RFC 8445, section 7.2.2: the name
// is OURS:THEIRS); nil in anything else.
func checkedUser(b []byte) []byte {
	if len(b) < stunHeaderBytes || binary.BigEndian.Uint16(b) != stunBindingRequest ||
		binary.BigEndian.Uint32(b[4:]) != stunCookie || int(binary.BigEndian.Uint16(b[2:])) != len(b)-stunHeaderBytes {
		return nil
	}
	for b = b[stunHeaderBytes:]; len(b) >= 4; {
		kind, size := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
		if size > len(b)-4 {
			return nil
		}
		if kind == stunUsername {
			return beforeColon(b[4 : 4+size])
		}
		b = b[min(len(b), 4+(size+3)&^3):]
	}
	return nil
}

func beforeColon(name []byte) []byte {
	for i, c := range name {
		if c == ':' {
			return name[:i]
		}
	}
	return nil
}

// provesWay tells whether writing such a packet says that the other side has passed a check: the agent
// answers a check only when its integrity is right, and sends DTLS and media only where one succeeded.
func provesWay(b []byte) bool {
	return len(b) > 3 && (b[0] > 3 || binary.BigEndian.Uint16(b) == stunBindingSuccess)
}

// ReadFromAddrPort reads what came for the connection.
func (h *muxHandle) ReadFromAddrPort(b []byte) (int, netip.AddrPort, error) {
	select {
	case d := <-h.in:
		n, from := copy(b, d.data[:d.n]), d.from
		datagrams.Put(d)
		return n, from, nil
	case <-h.done:
		return 0, netip.AddrPort{}, net.ErrClosed
	}
}

// WriteToAddrPort sends a packet. It never waits for the other side.
func (h *muxHandle) WriteToAddrPort(b []byte, to netip.AddrPort) (int, error) {
	if h.over.Load() {
		return 0, io.ErrClosedPipe
	}
	to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	if r := h.remote(to, b); r != nil && !r.validated.Load() && provesWay(b) {
		r.validated.Store(true)
	}
	return h.socket.write(b, to)
}

// ReadFrom implements net.PacketConn.
func (h *muxHandle) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := h.ReadFromAddrPort(b)
	if err != nil {
		return 0, nil, err
	}
	return n, net.UDPAddrFromAddrPort(from), nil
}

// WriteTo implements net.PacketConn.
func (h *muxHandle) WriteTo(b []byte, to net.Addr) (int, error) {
	udp, ok := to.(*net.UDPAddr)
	if !ok {
		return 0, errNoSocket
	}
	return h.WriteToAddrPort(b, udp.AddrPort())
}

// Close implements net.PacketConn; with the last handle the connection is forgotten.
func (h *muxHandle) Close() error {
	h.mux.mu.Lock()
	defer h.mux.mu.Unlock()
	h.endLocked()
	if len(h.handles) == 0 {
		h.mux.forgetLocked(h.muxConn)
	}
	return nil
}

func (h *muxHandle) endLocked() {
	delete(h.handles, h)
	if h.over.CompareAndSwap(false, true) {
		close(h.done)
	}
}

// LocalAddr implements net.PacketConn.
func (h *muxHandle) LocalAddr() net.Addr { return h.socket.local }

// SetDeadline implements net.PacketConn. Closing ends reading, and writing never waits.
func (h *muxHandle) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.PacketConn.
func (h *muxHandle) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.PacketConn.
func (h *muxHandle) SetWriteDeadline(time.Time) error { return nil }
