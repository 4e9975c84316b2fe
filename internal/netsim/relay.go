package netsim

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	relayFlows   = 1024             // clients at a time; further ones get nothing through
	relayIdle    = 10 * time.Minute // a UDP client that is silent for so long is forgotten
	datagram     = 64 << 10
	headersUDPv4 = 28 // bytes of IPv4 and UDP headers, which the line carries too
)

// RelayCounters say what passed a relay.
type RelayCounters struct {
	Up, Down Counters // from and to the clients
	Flows    int64    // clients so far; with TCP: connections
	Refused  int64    // clients too many, or those that the target did not take
}

// Relay is a real port on this machine that passes what clients send on to one target and back,
// impaired. With UDP each client gets a port of its own toward the target, as behind an address
// translator. With TCP the bytes are delayed, stalled and held to a rate, never lost; a blackout
// holds them until its end.
type Relay struct {
	network  string
	target   string
	up, down *Path
	close    func() error
	address  string

	mu       sync.Mutex
	closed   bool
	counters RelayCounters
	flows    map[netip.AddrPort]*net.UDPConn
	conns    map[net.Conn]bool
	running  sync.WaitGroup
	closing  chan struct{}
}

// NewRelay opens a relay on a free port of the loopback interface. The network is "udp" or "tcp"; the
// steps hold for both directions, timed from now. Close ends it.
func NewRelay(network, target string, seed uint64, steps ...Step) (*Relay, error) {
	r := &Relay{
		network: network, target: target, closing: make(chan struct{}),
		flows: map[netip.AddrPort]*net.UDPConn{}, conns: map[net.Conn]bool{},
		up: NewPath(2*seed, steps...), down: NewPath(2*seed+1, steps...),
	}
	if err := r.open(); err != nil {
		r.up.Close()
		r.down.Close()
		return nil, fmt.Errorf("open relay: %w", err)
	}
	return r, nil
}

// open takes a port and serves it.
func (r *Relay) open() error {
	switch r.network {
	case "udp":
		conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
		if err != nil {
			return err
		}
		r.address, r.close = conn.LocalAddr().String(), conn.Close
		r.running.Go(func() { r.runUDP(conn) })
	case "tcp":
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		r.address, r.close = listener.Addr().String(), listener.Close
		r.running.Go(func() { r.runTCP(listener) })
	default:
		return fmt.Errorf("network %q is neither udp nor tcp", r.network)
	}
	return nil
}

// Addr returns the relay's own address, HOST:PORT.
func (r *Relay) Addr() string { return r.address }

// Set changes the conditions of both directions at once.
func (r *Relay) Set(c Conditions) { r.SetUp(c); r.SetDown(c) }

// SetUp changes the conditions from the clients to the target.
func (r *Relay) SetUp(c Conditions) { r.up.Set(c) }

// SetDown changes the conditions from the target to the clients.
func (r *Relay) SetDown(c Conditions) { r.down.Set(c) }

// Counters returns what passed so far.
func (r *Relay) Counters() RelayCounters {
	r.mu.Lock()
	c := r.counters
	r.mu.Unlock()
	c.Up, c.Down = r.up.Counters(), r.down.Counters()
	return c
}

// Reset breaks all TCP connections with a reset in both directions, and forgets all UDP clients, as
// an address translator does that was restarted.
func (r *Relay) Reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.resetLocked()
}

func (r *Relay) resetLocked() {
	for c := range r.conns {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
	}
	for c := range r.conns { // closing one ends its other side at once
		_ = c.Close()
	}
	for _, c := range r.flows {
		_ = c.Close()
	}
}

// Close ends everything and waits for it.
func (r *Relay) Close() error {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return nil
	}
	r.closed = true
	close(r.closing)
	err := r.close()
	r.resetLocked()
	r.mu.Unlock()
	r.running.Wait()
	r.up.Close()
	r.down.Close()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// runUDP passes on what clients send.
func (r *Relay) runUDP(conn *net.UDPConn) {
	buffer := make([]byte, datagram)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // a client's port that is gone
		}
		flow := r.flow(conn, from)
		if flow == nil || r.up.Conditions().UDPBlocked {
			continue
		}
		r.up.SendSized(buffer[:n], n+headersUDPv4, func(p []byte) { _, _ = flow.Write(p) })
	}
}

// flow returns the client's port toward the target, nil when there is none.
func (r *Relay) flow(conn *net.UDPConn, client netip.AddrPort) *net.UDPConn {
	r.mu.Lock()
	defer r.mu.Unlock()
	if flow, ok := r.flows[client]; ok || r.closed {
		return flow
	}
	if len(r.flows) >= relayFlows {
		r.counters.Refused++
		return nil
	}
	c, err := net.Dial("udp", r.target)
	if err != nil {
		r.counters.Refused++
		return nil
	}
	flow := c.(*net.UDPConn)
	r.flows[client] = flow
	r.counters.Flows++
	r.running.Go(func() { r.runFlow(conn, flow, client) })
	return flow
}

// runFlow passes on what the target sends to one client.
func (r *Relay) runFlow(conn, flow *net.UDPConn, client netip.AddrPort) {
	defer func() {
		r.mu.Lock()
		delete(r.flows, client)
		r.mu.Unlock()
		_ = flow.Close()
	}()
	buffer := make([]byte, datagram)
	deliver := func(p []byte) { _, _ = conn.WriteToUDPAddrPort(p, client) }
	for {
		_ = flow.SetReadDeadline(time.Now().Add(relayIdle))
		n, err := flow.Read(buffer)
		var timeout net.Error
		switch {
		case errors.Is(err, net.ErrClosed) || errors.As(err, &timeout) && timeout.Timeout():
			return
		case err != nil || r.down.Conditions().UDPBlocked:
			continue // the target's port may come back
		}
		r.down.SendSized(buffer[:n], n+headersUDPv4, deliver)
	}
}
