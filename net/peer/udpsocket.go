package peer

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"syscall"
	"time"
)

// How much of a fan-out goes to the system at once, and how many batches are kept: fan-outs overlap.
const (
	batchPackets = 64
	batchBytes   = 32 << 10
	spareBatches = 4
)

// A socket that only fails is read now and then, so that it costs no processor.
const (
	failedReads = 100
	failedPause = 20 * time.Millisecond
)

// udpSocket is one socket of a udpMux.
type udpSocket struct {
	mux   *udpMux
	conn  *net.UDPConn
	raw   syscall.RawConn
	local *net.UDPAddr

	mu      sync.Mutex // guards what follows; held while a packet is copied, never while one is sent
	filling *batch     // nil: nothing waits
	spare   []*batch
}

func listenUDPSocket(addr netip.Addr, port int) (*udpSocket, error) {
	network := "udp6"
	if addr.Is4() {
		network = "udp4"
	}
	conn, err := net.ListenUDP(network, net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, uint16(port))))
	if err != nil {
		return nil, err
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("use media socket: %w", err)
	}
	growBuffers(conn, raw)
	return &udpSocket{conn: conn, raw: raw, local: conn.LocalAddr().(*net.UDPAddr)}, nil
}

// run reads until the socket is closed. A mistake over one packet costs that packet.
func (s *udpSocket) run() {
	for !s.readPackets() {
	}
}

// readPackets reads until the socket is closed, or until it has to be called again.
func (s *udpSocket) readPackets() (closed bool) {
	defer func() {
		if p := recover(); p != nil && s.mux.counted.panics.Add(1) == 1 {
			s.mux.log.Error("media socket panicked over a packet", "panic", p, "stack", string(debug.Stack()))
		}
	}()
	d := datagrams.Get().(*datagram)
	failed := 0 // times without a packet in between
	for {
		n, from, err := s.conn.ReadFromUDPAddrPort(d.data[:])
		switch {
		case errors.Is(err, net.ErrClosed):
			return true
		case err != nil: // of one packet that was sent, mostly
			if failed++; failed >= failedReads {
				time.Sleep(failedPause)
			}
			continue
		}
		if failed = 0; n == 0 {
			continue
		}
		d.n, d.from = n, netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		if s.mux.take(s, d) {
			d = datagrams.Get().(*datagram)
		}
	}
}

// write sends a packet, or keeps media until the end of the fan-out that is under way.
func (s *udpSocket) write(b []byte, to netip.AddrPort) (int, error) {
	if s.mux.fanOuts.Load() > 0 && b[0] > 127 && len(b) <= datagramBytes && to.Addr().Zone() == "" { // RFC 7983: RTP and RTCP
		if kept, full := s.gather(b, to); kept {
			if full != nil {
				s.send(full)
			}
			return len(b), nil
		}
	}
	return s.conn.WriteToUDPAddrPort(b, to)
}

// gather keeps a packet while a fan-out is under way, whose end will send it. It looks for that with mu
// held: a fan-out that ends takes mu afterwards.
func (s *udpSocket) gather(b []byte, to netip.AddrPort) (kept bool, full *batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mux.fanOuts.Load() == 0 {
		return false, nil
	}
	if s.filling == nil {
		s.filling = s.freeBatchLocked()
	}
	if s.filling.add(b, to) {
		full, s.filling = s.filling, nil
	}
	return true, full
}

func (s *udpSocket) freeBatchLocked() (b *batch) {
	last := len(s.spare) - 1
	if last < 0 {
		return newBatch()
	}
	b, s.spare = s.spare[last], s.spare[:last]
	return b
}

// flush sends what a fan-out left.
func (s *udpSocket) flush() {
	s.mu.Lock()
	b := s.filling
	s.filling = nil
	s.mu.Unlock()
	if b != nil {
		s.send(b)
	}
}

// send empties a batch and keeps it for the next fan-out. What the system has no room for is lost.
func (s *udpSocket) send(b *batch) {
	if unsent := b.send(s); unsent > 0 {
		s.mux.counted.unsent.Add(int64(unsent))
	}
	s.mu.Lock()
	if len(s.spare) < spareBatches {
		s.spare = append(s.spare, b)
	}
	s.mu.Unlock()
}

// beginFanOut has media of all links gathered until endFanOut. Fan-outs may overlap.
func (m *Mux) beginFanOut() { m.fanOuts.Add(1) }

func (m *Mux) endFanOut() {
	m.fanOuts.Add(-1)
	for _, shard := range m.shards {
		if shard.mux == nil {
			continue
		}
		for _, s := range shard.mux.sockets {
			s.flush()
		}
	}
}
