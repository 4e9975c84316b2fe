package turnserver

import (
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"github.com/pion/stun/v4"
)

// strayPackets are messages with one thing wrong, and sound ones.
func strayPackets(t testing.TB) (bad, good [][]byte) {
	t.Helper()
	build := func(setters ...stun.Setter) []byte {
		m, err := stun.Build(append([]stun.Setter{stun.TransactionID}, setters...)...)
		if err != nil {
			t.Fatal(err)
		}
		return m.Raw
	}
	attribute := func(kind stun.AttrType, size int) stun.Setter {
		return stun.RawAttribute{Type: kind, Value: make([]byte, size)}
	}
	allocate := stun.NewType(stun.MethodAllocate, stun.ClassRequest)
	send := stun.NewType(stun.MethodSend, stun.ClassIndication)
	plain := build(stun.BindingRequest)
	good = [][]byte{
		plain, build(allocate, attribute(stun.AttrRequestedTransport, 4)), build(allocate, attribute(stun.AttrUsername, 512)),
		build(send, stun.RawAttribute{Type: stun.AttrXORPeerAddress, Value: []byte{0, 1, 0, 1, 1, 2, 3, 4}}, attribute(stun.AttrData, 7)),
		{0x40, 0, 0, 1, 5}, {0x7f, 0xff, 0, 1, 5, 0, 0, 0},
	}
	long := build(allocate, attribute(stun.AttrData, 8))
	binary.BigEndian.PutUint16(long[22:], 0xfff0) // the attribute
	lying := append([]byte(nil), plain...)
	binary.BigEndian.PutUint16(lying[2:], 4) // the message
	bad = [][]byte{
		{}, {0}, {0x40}, {0x40, 0, 0, 2, 5}, {0x40, 0, 0, 0, 0, 0, 0, 0}, {0x80, 0, 0, 0}, plain[:19], append(plain[:20:20], 0), long, lying,
		build(stun.BindingSuccess), build(allocate, attribute(stun.AttrRequestedTransport, 3)), build(allocate, attribute(stun.AttrLifetime, 0)),
		build(allocate, attribute(stun.AttrUsername, 600)), build(allocate, attribute(stun.AttrEvenPort, 0)),
		build(allocate, attribute(stun.AttrReservationToken, 9)), build(allocate, attribute(stun.AttrMessageIntegrity, 4)),
		build(send, attribute(stun.AttrXORPeerAddress, 8)), build(send, attribute(stun.AttrXORPeerAddress, 20)), build(send, attribute(stun.AttrXORPeerAddress, 0)),
	}
	return bad, good
}

func TestOnlyWellFormedMessagesAreLookedAt(t *testing.T) {
	bad, good := strayPackets(t)
	for _, b := range bad {
		if wellFormed(b) {
			t.Errorf("%x was let in", b)
		}
	}
	for _, b := range good {
		if !wellFormed(b) {
			t.Errorf("%x was refused", b)
		}
	}
}

func TestMalformedMessagesAreCountedAndOthersGoOn(t *testing.T) {
	r := newRig(t, nil)
	relayed := allocate(t, r.participant(t, "udp", "p1"))
	bad, _ := strayPackets(t)
	stranger := loopback(t)
	to, err := net.ResolveUDPAddr("udp4", r.address)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range bad {
		if _, err := stranger.WriteTo(b, to); err != nil {
			t.Fatal(err)
		}
	}
	waitFor(t, func() bool { return r.Stats().Malformed == int64(len(bad)) })
	streamed, err := net.Dial("tcp", r.address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = streamed.Close() }()
	if _, err := streamed.Write([]byte("GET / HTTP/1.1\r\n")); err != nil {
		t.Fatal(err)
	}
	_ = streamed.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := streamed.Read(make([]byte, 1)); err == nil || errTimeout(err) == err {
		t.Errorf("a stream without TURN is still open: %v", err)
	}
	waitFor(t, func() bool { return r.Stats().Streams == 0 && r.Stats().Malformed == int64(len(bad))+1 })
	exchange(t, relayed, r.peer)
	if n := r.Stats().Panics; n != 0 {
		t.Errorf("%d panics", n)
	}
}

// A message may come in as many pieces as its sender likes.
func TestAStreamMayTrickle(t *testing.T) {
	r := newRig(t, nil)
	c, err := net.Dial("tcp", r.address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	m, err := stun.Build(stun.TransactionID, stun.BindingRequest)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range append(m.Raw, m.Raw...) {
		if _, err := c.Write([]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	answer := make([]byte, 20)
	for range 2 {
		if _, err := io.ReadFull(c, answer); err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(io.Discard, c, int64(binary.BigEndian.Uint16(answer[2:]))); err != nil || binary.BigEndian.Uint16(answer) != 0x0101 {
			t.Fatalf("answer %x, %v", answer, err)
		}
	}
}

func TestAMistakeOverOneMessageEndsNothing(t *testing.T) {
	broken := make(chan struct{}, 1)
	r := newRig(t, func(c *Config) {
		c.Now = func() time.Time {
			select {
			case <-broken:
				panic("test")
			default:
				return time.Now()
			}
		}
	})
	relayed := allocate(t, r.participant(t, "udp", "p1"))
	stranger := loopback(t)
	to, err := net.ResolveUDPAddr("udp4", r.address)
	if err != nil {
		t.Fatal(err)
	}
	_, good := strayPackets(t)
	for n := range int64(3) {
		broken <- struct{}{}
		if _, err := stranger.WriteTo(good[0], to); err != nil {
			t.Fatal(err)
		}
		waitFor(t, func() bool { return r.Stats().Panics == n+1 })
	}
	exchange(t, relayed, r.peer)
}

func TestWhoLeavesLosesItsRelays(t *testing.T) {
	r := newRig(t, nil)
	gone := r.participant(t, "udp", "p1")
	one, two, other := allocate(t, gone), allocate(t, r.participant(t, "tcp", "p1")), allocate(t, r.participant(t, "udp", "p2"))
	exchange(t, one, r.peer)
	exchange(t, two, r.peer)
	r.Release("p1", r.now.Now().Add(time.Hour+time.Second))
	waitFor(t, func() bool { s := r.Stats(); return s.Allocations == 1 && s.Streams == 0 })
	exchange(t, other, r.peer)
	if _, err := r.participant(t, "udp", "p1").Allocate(); err == nil {
		t.Error("the credentials of one who left still hold")
	}
	username, password := Credentials(testSecret, "p1", r.now.Now().Add(2*time.Hour))
	allocate(t, r.client(t, "udp", username, password)) // back, with new ones
	r.now.move(3 * time.Hour)
	r.Release("p3", r.now.Now())
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.void) != 1 {
		t.Errorf("%d participants are remembered", len(r.void))
	}
}

// FuzzMessages throws at pion what is let through: it answers or drops, but never breaks, and a client
// that was there before is served on.
func FuzzMessages(f *testing.F) {
	bad, good := strayPackets(f)
	for _, b := range append(bad, good...) {
		f.Add(b)
	}
	packets, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		f.Fatal(err)
	}
	var clock testClock
	s, err := New(Config{
		Packets: []net.PacketConn{packets}, Secret: testSecret, Ports: PortRange{49408, 49663},
		Now: func() time.Time { clock.move(time.Second); return clock.Now() }, // so slow that nothing is a flood
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = s.Close() })
	from, err := net.Dial("udp4", packets.LocalAddr().String())
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = from.Close() })
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) >= 4 && streamedBytes(b) < 4 {
			t.Errorf("%x has %d bytes on a stream", b, streamedBytes(b))
		}
		if wellFormed(b) {
			if _, err := from.Write(b); err != nil {
				t.Fatal(err)
			}
		}
		if n := s.Stats().Panics; n != 0 {
			t.Fatalf("%d panics", n)
		}
	})
}
