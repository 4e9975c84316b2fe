package peer

import (
	"encoding/binary"
	"testing"
	"time"

	"gasso/net/packet"
)

// lyingPackets are whole RTP packets whose lengths are not what they say.
func lyingPackets(t testing.TB) (lies [][]byte) {
	t.Helper()
	pk := makePacket(4, 5)
	extended, padded := wire(t, pk, 3, identityOf(pk), 0), wire(t, pk, 3, identityOf(pk), 9)
	change := func(b []byte, how func(b []byte)) {
		b = append([]byte(nil), b...)
		how(b)
		lies = append(lies, b)
	}
	for _, n := range []byte{0, 1, byte(len(padded)), 255} { // of padding
		change(padded, func(b []byte) { b[len(b)-1] = n })
		change(padded[:13], func(b []byte) { b[0], b[12] = 0xa0, n })
	}
	for _, words := range []uint16{0, 1, 255, 0x7fff, 0xffff} { // of extensions (RFC 3550, section 5.3.1)
		change(extended, func(b []byte) { binary.BigEndian.PutUint16(b[14:], words) })
	}
	for _, element := range []byte{0x30, 0x3f, 0x36, 0xf5, 0x0f, 0x45} { // id and length of one (RFC 8285, section 4.2)
		change(extended, func(b []byte) { b[16] = element })
	}
	change(extended, func(b []byte) { b[12], b[13], b[17] = 0x10, 0, 255 }) // two-byte elements
	change(extended, func(b []byte) { b[0] |= 0x0f })                       // sources that are not there
	change(extended, func(b []byte) { b[0] = b[0]&0x3f | 0x40 })            // version 1
	for n := range extended {
		change(extended[:n], func([]byte) {})
	}
	return lies
}

func TestLyingPacketsAreDroppedAndCounted(t *testing.T) {
	good := makePacket(4, 5)
	delivered := 0
	r := newReception(func(pk *packet.Packet, _ time.Time) {
		delivered++
		if pk.Samples <= 0 || pk.Samples > maxPacketSamples || len(pk.Payload) == 0 {
			t.Errorf("delivered %+v", pk)
		}
	})
	lies := lyingPackets(t)
	for _, b := range lies {
		r.take(b, time.Unix(1e9, 0), near)
	}
	if c := r.Counters(); c.Panics != 0 || c.Malformed == 0 || c.Unidentified == 0 {
		t.Errorf("counters %+v", c)
	}
	before := delivered
	later := makePacket(4, good.Number+1)
	r.take(wire(t, later, 3, identityOf(later), 0), time.Unix(1e9, 0), near)
	if delivered != before+1 {
		t.Error("a sound packet after them was not delivered")
	}
}

// A performer that lies over a real link about the padding and the identity of its packets is heard no more
// than it is right, and others go on.
func TestLiesOverALinkTouchNobodyElse(t *testing.T) {
	server, performers := newFactory(t, Config{Mux: newMux(t, MuxConfig{UDP: anyPort()})}), newFactory(t, Config{})
	good, bela := connect(t, server, performers)
	bad, liar := connect(t, server, performers)
	music, lies := NewPublisher("bela"), NewPublisher("liar")
	mustAttach(t, music, bela.link)
	mustAttach(t, lies, liar.link)
	for _, s := range []*side{good, bad} {
		if err := s.link.Negotiate(); err != nil {
			t.Fatal(err)
		}
	}
	connected(t, good, bela, bad, liar)
	defer flow(music, 1)()
	stop := flow(lies, 1)
	eventually(t, "packets of both", func() bool { return good.count("bela") > 5 && bad.count("liar") > 5 })
	sent := stop()
	track := lies.tracks[liar.link]
	for n := range int64(2000) {
		h, payload := track.header.Clone(), append([]byte(nil), makePacket(1, sent+n).Payload...)
		h.SequenceNumber += uint16(n + 1)
		switch n % 4 {
		case 0:
			h.Padding = true
			payload[len(payload)-1] = 255
		case 1:
			h.Padding = true
			payload[len(payload)-1] = 0
		case 2:
			_ = h.SetExtension(track.extensionID, []byte{1, 2})
		case 3:
			h.Extensions, h.Extension = nil, false
		}
		if _, err := track.stream.WriteRTP(&h, payload); err != nil {
			t.Fatal(err)
		}
	}
	had, heard := good.count("bela"), bad.count("liar")
	eventually(t, "the other's packets go on", func() bool { return good.count("bela") > had+20 })
	if n := bad.count("liar"); n > heard {
		t.Errorf("%d packets of lies were delivered", n-heard)
	}
	lie := makePacket(2, 0)
	eventually(t, "the liar is heard when it is right", func() bool {
		lie.Number++
		_ = lies.Write(lie)
		return bad.count("liar") > heard
	})
}
