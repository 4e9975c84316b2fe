//go:build !linux

package peer

import (
	"net"
	"net/netip"
	"syscall"
)

// batch is packets that are sent one after the other.
type batch struct {
	n        int
	to       [batchPackets]netip.AddrPort
	sizes    [batchPackets]int
	payloads [batchPackets][datagramBytes]byte
}

func newBatch() *batch { return &batch{} }

// add copies a packet and returns how many there are.
func (b *batch) add(p []byte, to netip.AddrPort) int {
	b.to[b.n], b.sizes[b.n] = to, copy(b.payloads[b.n][:], p)
	b.n++
	return b.n
}

// send returns how many packets were not sent.
func (b *batch) send(s *udpSocket) (unsent int) {
	for i := range b.n {
		if _, err := s.conn.WriteToUDPAddrPort(b.payloads[i][:b.sizes[i]], b.to[i]); err != nil {
			unsent++
		}
	}
	b.n = 0
	return unsent
}

// growBuffers asks for large buffers.
func growBuffers(conn *net.UDPConn, _ syscall.RawConn) {
	_ = conn.SetReadBuffer(udpSocketBuffer) // less will do
	_ = conn.SetWriteBuffer(udpSocketBuffer)
}
