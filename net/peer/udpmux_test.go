package peer

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"
)

// check is a connectivity check for a user fragment as it looks on the wire, its integrity left out.
func check(user string) []byte {
	name := user + ":them"
	padded := (len(name) + 3) &^ 3
	b := make([]byte, stunHeaderBytes+4+padded)
	binary.BigEndian.PutUint16(b, stunBindingRequest)
	binary.BigEndian.PutUint16(b[2:], uint16(4+padded))
	binary.BigEndian.PutUint32(b[4:], stunCookie)
	binary.BigEndian.PutUint16(b[20:], stunUsername)
	binary.BigEndian.PutUint16(b[22:], uint16(len(name)))
	copy(b[24:], name)
	return b
}

// muxAlone is a mux with one connection, and no agent behind it.
func muxAlone(t *testing.T) (*udpMux, *udpSocket, *muxHandle, *Mux) {
	t.Helper()
	all := newMux(t, MuxConfig{UDP: anyPort()})
	m := all.shards[0].mux
	conn, err := m.GetConn("ours", m.GetListenAddresses()[0])
	if err != nil {
		t.Fatal(err)
	}
	return m, m.sockets[0], conn.(*muxHandle), all
}

func from(port uint16, b []byte) *datagram {
	d := &datagram{n: len(b), from: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 9}), port)}
	copy(d.data[:], b)
	return d
}

func TestWhatNobodyAskedForIsDropped(t *testing.T) {
	m, s, h, all := muxAlone(t)
	dtls, rtp := []byte{22, 254, 253, 0, 0, 0, 0}, []byte{0x80, 111, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}
	junk := [][]byte{dtls, rtp, check("theirs"), check("ours")[:23], {0}, []byte("GET / HTTP/1.1\r\n\r\n")}
	for _, b := range junk {
		if m.take(s, from(5, b)) {
			t.Errorf("took %x", b)
		}
	}
	if c := all.Counters(); c != (MuxCounters{Unknown: int64(len(junk))}) {
		t.Errorf("counted %+v", c)
	}
	d := from(5, rtp)
	if n := testing.AllocsPerRun(100, func() { m.take(s, d) }); n != 0 {
		t.Errorf("dropping a packet allocates %v times", n)
	}
	if !m.take(s, from(5, check("ours"))) {
		t.Fatal("a check was dropped")
	}
	buf := make([]byte, datagramBytes)
	if n, addr, err := h.ReadFromAddrPort(buf); err != nil || n != len(check("ours")) || addr.Port() != 5 {
		t.Errorf("read %d bytes from %v, %v", n, addr, err)
	}
}

func TestOnlyCheckedAddressesReachDTLS(t *testing.T) {
	m, s, h, all := muxAlone(t)
	dtls := []byte{22, 254, 253, 0, 0, 0, 0}
	answer := check("them") // of a check that failed: a request of ours proves nothing
	remote := from(6, nil).from
	if _, err := h.WriteToAddrPort(answer, remote); err != nil {
		t.Fatal(err)
	}
	if m.take(s, from(6, dtls)) {
		t.Error("DTLS from an address that was only sent a check")
	}
	binary.BigEndian.PutUint16(answer, stunBindingSuccess)
	if _, err := h.WriteToAddrPort(answer, remote); err != nil {
		t.Fatal(err)
	}
	if !m.take(s, from(6, dtls)) {
		t.Error("no DTLS from an address whose check was answered")
	}
	if c := all.Counters(); c != (MuxCounters{Unvalidated: 1}) {
		t.Errorf("counted %+v", c)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if m.take(s, from(6, dtls)) || m.take(s, from(6, check("ours"))) {
		t.Error("took a packet for a connection that was closed")
	}
	if _, _, err := h.ReadFromAddrPort(make([]byte, 10)); !errors.Is(err, net.ErrClosed) && err != nil {
		t.Errorf("reading from a closed connection gives %v", err)
	}
}

func TestChecksOfStrangersAreRationed(t *testing.T) {
	m, s, h, all := muxAlone(t)
	now := time.Unix(1_800_000_000, 0)
	m.now = func() time.Time { return now }
	buf := make([]byte, datagramBytes)
	taken := 0
	for i := range uint16(1000) {
		if m.take(s, from(1000+i, check("ours"))) {
			taken++
			if _, _, err := h.ReadFromAddrPort(buf); err != nil {
				t.Fatal(err)
			}
		}
	}
	if taken != strangers || all.Counters().Limited != 1000-strangers {
		t.Errorf("took %d checks of strangers, counted %+v", taken, all.Counters())
	}
	known := from(7, check("ours"))
	if _, err := h.WriteToAddrPort(check("them"), known.from); err != nil {
		t.Fatal(err)
	}
	if !m.take(s, known) {
		t.Error("strangers keep a known address out")
	}
	if now = now.Add(strangerSpan); !m.take(s, from(8, check("ours"))) {
		t.Error("strangers stay out for good")
	}
}

func TestAConnectionThatDoesNotReadLosesPackets(t *testing.T) {
	m, s, h, all := muxAlone(t)
	known := from(7, check("ours")).from
	if _, err := h.WriteToAddrPort(check("them"), known); err != nil {
		t.Fatal(err)
	}
	for range waitingAtConn + 10 {
		m.take(s, from(7, check("ours")))
	}
	if c := all.Counters(); c.Overflow != 10 {
		t.Errorf("counted %+v", c)
	}
}

// A flood from addresses that nobody knows gets no answer at all and costs legitimate packets nothing.
func TestFloodIsNotAnswered(t *testing.T) {
	m, s, _, _ := muxAlone(t)
	attacker, err := net.Dial("udp4", s.local.String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = attacker.Close() }()
	for range 2000 {
		for _, b := range [][]byte{check("theirs"), check("ours"), {22, 254, 253, 0}} {
			if _, err := attacker.Write(b); err != nil {
				t.Fatal(err)
			}
		}
	}
	eventually(t, "flood counted", func() bool { return m.counted.unknown.Load() >= 1000 })
	if err := attacker.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, err := attacker.Read(make([]byte, 100)); err == nil {
		t.Errorf("an answer of %d bytes", n)
	}
}

// Packets that a fan-out gathers go out in order, unchanged, each to its address, however many.
func TestFanOutArrives(t *testing.T) {
	_, _, h, all := muxAlone(t)
	var receivers []*net.UDPConn
	for range 3 {
		conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		receivers = append(receivers, conn)
	}
	const each = batchPackets // so that a batch is full in between
	all.beginFanOut()
	for n := range byte(each) {
		for i, r := range receivers {
			media := []byte{0x80, n, byte(i), 0, 0, 0, 0, 0, 0, 0, 0, 0}
			if sent, err := h.WriteTo(media[:12-i], r.LocalAddr()); err != nil || sent != 12-i {
				t.Fatalf("sent %d, %v", sent, err)
			}
		}
	}
	all.endFanOut()
	buf := make([]byte, 100)
	for i, r := range receivers {
		for n := range byte(each) {
			if err := r.SetReadDeadline(time.Now().Add(patience)); err != nil {
				t.Fatal(err)
			}
			if size, err := r.Read(buf); err != nil || size != 12-i || buf[1] != n || buf[2] != byte(i) {
				t.Fatalf("packet %d at receiver %d: %d bytes %x, %v", n, i, size, buf[:3], err)
			}
		}
	}
	media := []byte{0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	allocations := testing.AllocsPerRun(100, func() {
		all.beginFanOut()
		for range 10 {
			_, _ = h.WriteToAddrPort(media, receivers[0].LocalAddr().(*net.UDPAddr).AddrPort())
		}
		all.endFanOut()
	})
	if allocations != 0 {
		t.Errorf("a fan-out allocates %v times", allocations)
	}
	if c := all.Counters(); c.Unsent != 0 {
		t.Errorf("counted %+v", c)
	}
}

func FuzzCheckedUser(f *testing.F) {
	f.Add(check("ours"))
	f.Add(check(""))
	f.Add([]byte{0, 1, 0, 4, 0x21, 0x12, 0xa4, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 6, 255, 255})
	f.Fuzz(func(t *testing.T, b []byte) {
		user := checkedUser(b)
		if user == nil {
			return
		}
		if binary.BigEndian.Uint16(b) != stunBindingRequest || len(user) >= len(b) {
			t.Errorf("user %q of %x", user, b)
		}
	})
}
