//go:build unix

package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	sweepEvery    = 500 * time.Microsecond
	sweeperBuffer = 4 << 20
	passedOn      = 64 // packets that are no audio and wait for pion
)

// sweeper looks at the sockets of all subscribers of a server in turn. They are not Go's: its poller
// would be woken by each packet, at the expense of the sender.
type sweeper struct {
	schedule *schedule
	stop     chan struct{}
	stopped  sync.WaitGroup

	mu    sync.Mutex // guards conns and what they hold
	conns []*countingConn
}

func newSweeper(s *schedule) *sweeper {
	w := &sweeper{schedule: s, stop: make(chan struct{})}
	w.stopped.Go(w.run)
	return w
}

func (w *sweeper) run() {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	buf := make([]byte, 2048)
	for {
		select {
		case <-w.stop:
			return
		case <-tick.C:
		}
		w.mu.Lock()
		for _, c := range w.conns {
			for c.receive(buf) {
			}
		}
		w.mu.Unlock()
	}
}

func (w *sweeper) close() {
	close(w.stop)
	w.stopped.Wait()
}

// open makes a socket on 127.0.0.1.
func (w *sweeper) open() (*countingConn, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return nil, fmt.Errorf("open socket: %w", err)
	}
	unix.CloseOnExec(fd)
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, sweeperBuffer) // less will do
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, fmt.Errorf("open socket: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return nil, fmt.Errorf("bind socket: %w", err)
	}
	bound, err := unix.Getsockname(fd)
	if err != nil {
		return nil, fmt.Errorf("bind socket: %w", err)
	}
	local := net.UDPAddrFromAddrPort(addrPort(bound))
	c := &countingConn{fd: fd, local: local, sweeper: w, others: make(chan datagram, passedOn), closed: make(chan struct{})}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conns = append(w.conns, c)
	return c, nil
}

func addrPort(a unix.Sockaddr) netip.AddrPort {
	if a, ok := a.(*unix.SockaddrInet4); ok {
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	}
	return netip.AddrPort{}
}

// countingConn keeps audio from pion: it notes when it came and drops it. Everything else passes.
type countingConn struct {
	fd      int
	local   *net.UDPAddr
	sweeper *sweeper
	others  chan datagram
	closed  chan struct{}
	delays  []time.Duration // guarded by sweeper.mu
	over    bool            // the same
}

type datagram struct {
	data []byte
	from *net.UDPAddr
}

// receive takes one packet; false when there is none. The caller holds the sweeper's mu.
func (c *countingConn) receive(buf []byte) bool {
	if c.over {
		return false
	}
	n, from, err := unix.Recvfrom(c.fd, buf, 0)
	if err != nil {
		return false
	}
	if c.takeAudio(buf[:n]) {
		return true
	}
	select {
	case c.others <- datagram{append([]byte(nil), buf[:n]...), net.UDPAddrFromAddrPort(addrPort(from))}:
	default: // lost, as a network would
	}
	return true
}

// takeAudio tells whether a packet is RTP (RFC 7983; RTCP has types 192 to 223, RFC 5761).
func (c *countingConn) takeAudio(b []byte) bool {
	if len(b) < 12 || b[0]>>6 != 2 || b[1] >= 192 && b[1] < 224 {
		return false
	}
	if delay, ok := c.sweeper.schedule.delay(binary.BigEndian.Uint32(b[4:]), time.Now()); ok {
		c.delays = append(c.delays, delay)
	}
	return true
}

// takeDelays returns what came since the last call.
func (c *countingConn) takeDelays() []time.Duration {
	c.sweeper.mu.Lock()
	defer c.sweeper.mu.Unlock()
	taken := c.delays
	c.delays = nil
	return taken
}

// ReadFrom implements net.PacketConn for what is not audio.
func (c *countingConn) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case d := <-c.others:
		return copy(b, d.data), d.from, nil
	case <-c.closed:
		return 0, nil, net.ErrClosed
	}
}

// WriteTo implements net.PacketConn.
func (c *countingConn) WriteTo(b []byte, to net.Addr) (int, error) {
	udp, ok := to.(*net.UDPAddr)
	if !ok {
		return 0, net.ErrClosed
	}
	err := unix.Sendto(c.fd, b, 0, &unix.SockaddrInet4{Port: udp.Port, Addr: udp.AddrPort().Addr().Unmap().As4()})
	return len(b), err
}

// Close implements net.PacketConn.
func (c *countingConn) Close() error {
	c.sweeper.mu.Lock()
	defer c.sweeper.mu.Unlock()
	if c.over {
		return nil
	}
	c.over = true
	close(c.closed)
	return unix.Close(c.fd)
}

// LocalAddr implements net.PacketConn.
func (c *countingConn) LocalAddr() net.Addr { return c.local }

// SetDeadline implements net.PacketConn; there is none.
func (c *countingConn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.PacketConn; there is none.
func (c *countingConn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.PacketConn; there is none.
func (c *countingConn) SetWriteDeadline(time.Time) error { return nil }
