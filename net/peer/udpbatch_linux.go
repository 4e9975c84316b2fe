package peer

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// batch is packets that one system call sends: sendmmsg(2).
type batch struct {
	n       int
	used    int // of bytes
	headers [batchPackets]messageHeader
	vectors [batchPackets]unix.Iovec
	names4  [batchPackets]unix.RawSockaddrInet4
	names6  [batchPackets]unix.RawSockaddrInet6
	bytes   [batchBytes]byte // packet after packet: most are short

	unsent int
	write  func(fd uintptr) bool // writeTo, bound once
}

// messageHeader is struct mmsghdr.
type messageHeader struct {
	header unix.Msghdr
	sent   uint32
}

func newBatch() *batch {
	b := &batch{}
	b.write = b.writeTo
	for i := range b.headers {
		b.headers[i].header.Iov = &b.vectors[i]
		b.headers[i].header.SetIovlen(1)
	}
	return b
}

// add copies a packet and tells whether there is no room for one more.
func (b *batch) add(p []byte, to netip.AddrPort) (full bool) {
	i := b.n
	b.vectors[i].Base = &b.bytes[b.used]
	b.vectors[i].SetLen(copy(b.bytes[b.used:], p))
	b.used += len(p)
	port := to.Port()<<8 | to.Port()>>8 // network order
	if h := &b.headers[i].header; to.Addr().Is4() {
		b.names4[i] = unix.RawSockaddrInet4{Family: unix.AF_INET, Port: hostOrder(to.Port(), port), Addr: to.Addr().As4()}
		h.Name, h.Namelen = (*byte)(unsafe.Pointer(&b.names4[i])), unix.SizeofSockaddrInet4
	} else {
		b.names6[i] = unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: hostOrder(to.Port(), port), Addr: to.Addr().As16()}
		h.Name, h.Namelen = (*byte)(unsafe.Pointer(&b.names6[i])), unix.SizeofSockaddrInet6
	}
	b.n++
	return b.n == batchPackets || b.used > batchBytes-datagramBytes
}

var bigEndianHost = func() bool {
	probe := uint16(1)
	return *(*byte)(unsafe.Pointer(&probe)) == 0
}()

func hostOrder(port, swapped uint16) uint16 {
	if bigEndianHost {
		return port
	}
	return swapped
}

// send returns how many packets were not sent.
func (b *batch) send(s *udpSocket) (unsent int) {
	b.unsent = b.n
	_ = s.raw.Write(b.write) // a closed socket sends nothing
	b.n, b.used = 0, 0
	return b.unsent
}

// writeTo never waits: a full socket is no reason to hold everybody up.
func (b *batch) writeTo(fd uintptr) bool {
	for sent := 0; sent < b.n; {
		n, _, errno := syscall.Syscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&b.headers[sent])),
			uintptr(b.n-sent), unix.MSG_DONTWAIT, 0, 0)
		switch {
		case errno == 0:
			sent += int(n)
			b.unsent -= int(n)
		case errno == unix.EINTR:
		case errors.Is(errno, unix.EAGAIN), errors.Is(errno, unix.ENOBUFS):
			return true
		default: // one address cannot be reached
			sent++
		}
	}
	return true
}

// growBuffers asks for large buffers, beyond the system's limit where the process may.
func growBuffers(conn *net.UDPConn, raw syscall.RawConn) {
	_ = conn.SetReadBuffer(udpSocketBuffer) // less will do
	_ = conn.SetWriteBuffer(udpSocketBuffer)
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, udpSocketBuffer)
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, udpSocketBuffer)
	})
}
