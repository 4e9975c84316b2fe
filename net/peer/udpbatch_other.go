//go:build !linux

package peer

import (
	"net"
	"net/netip"
	"syscall"
)

// batch is packets that are sent one after the other.
type batch struct {
	n     int
	used  int // of bytes
	to    [batchPackets]netip.AddrPort
	ends  [batchPackets]int
	bytes [batchBytes]byte // packet after packet: most are short
}

func newBatch() *batch { return &batch{} }

// add copies a packet and tells whether there is no room for one more.
func (b *batch) add(p []byte, to netip.AddrPort) (full bool) {
	b.used += copy(b.bytes[b.used:], p)
	b.to[b.n], b.ends[b.n] = to, b.used
	b.n++
	return b.n == batchPackets || b.used > batchBytes-datagramBytes
}

// send returns how many packets were not sent.
func (b *batch) send(s *udpSocket) (unsent int) {
	start := 0
	for i := range b.n {
		if _, err := s.conn.WriteToUDPAddrPort(b.bytes[start:b.ends[i]], b.to[i]); err != nil {
			unsent++
		}
		start = b.ends[i]
	}
	b.n, b.used = 0, 0
	return unsent
}

// growBuffers asks for large buffers.
func growBuffers(conn *net.UDPConn, _ syscall.RawConn) {
	_ = conn.SetReadBuffer(udpSocketBuffer) // less will do
	_ = conn.SetWriteBuffer(udpSocketBuffer)
}
