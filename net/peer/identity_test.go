package peer

import (
	"bytes"
	"errors"
	"testing"

	"github.com/pion/rtp"

	"gasso/net/packet"
)

func wire(t testing.TB, pk *packet.Packet, id uint8, extension []byte, padding byte) []byte {
	t.Helper()
	p := rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: 111, Timestamp: pk.Timestamp()}, Payload: pk.Payload}
	if padding > 0 {
		p.Padding, p.PaddingSize = true, padding
	}
	if extension != nil {
		if err := p.SetExtension(id, extension); err != nil {
			t.Fatal(err)
		}
	}
	buf, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return buf
}

func identityOf(pk *packet.Packet) []byte {
	var extension [packet.ExtensionSize]byte
	pk.PutExtension(&extension)
	return extension[:]
}

func TestPacketFromRTP(t *testing.T) {
	good := makePacket(250, packet.MaxNumber)
	for _, c := range []struct {
		name string
		buf  []byte
		id   uint8
		want error
	}{
		{"good", wire(t, good, 3, identityOf(good), 0), 3, nil},
		{"padded", wire(t, good, 3, identityOf(good), 20), 3, nil},
		{"no extension", wire(t, good, 3, nil, 0), 3, errNoIdentity},
		{"other extension", wire(t, good, 4, identityOf(good), 0), 3, errNoIdentity},
		{"extension not negotiated", wire(t, good, 3, identityOf(good), 0), 0, errNoIdentity},
		{"short extension", wire(t, good, 3, identityOf(good)[:4], 0), 3, errNoIdentity},
		{"no payload", wire(t, &packet.Packet{}, 3, identityOf(good), 0), 3, errNotOpus},
		{"too long", wire(t, &packet.Packet{Payload: []byte{0x1b, 3}}, 3, identityOf(good), 0), 3, errNotOpus},
		{"cut off", wire(t, good, 3, identityOf(good), 0)[:14], 3, errNotOpus},
		{"empty", nil, 3, errNotOpus},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got packet.Packet
			err := packetFromRTP(&got, &rtp.Header{}, c.buf, c.id, 0, good.FirstSample+1e9)
			if !errors.Is(err, c.want) {
				t.Fatalf("error %v, want %v", err, c.want)
			}
			if c.want == nil && (got.Generation != good.Generation || got.Number != good.Number ||
				got.FirstSample != good.FirstSample || got.Samples != good.Samples || !bytes.Equal(got.Payload, good.Payload)) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestOpusSamples(t *testing.T) {
	for _, c := range []struct {
		payload []byte
		want    int
	}{
		{[]byte{0x80}, 120}, {[]byte{0xe8 | 4}, 240}, {[]byte{0xf0}, 480}, {[]byte{0xf8}, 960}, // CELT
		{[]byte{0x60}, 480}, {[]byte{0x68}, 960}, // hybrid
		{[]byte{0x00}, 480}, {[]byte{0x08}, 960}, {[]byte{0x10}, 1920}, {[]byte{0x18}, 2880}, // SILK
		{[]byte{0xf9}, 1920}, {[]byte{0xfa}, 1920}, {[]byte{0xfb, 6}, 5760}, {[]byte{0xe3, 48}, 5760},
		{nil, 0}, {[]byte{0xfb}, 0}, {[]byte{0xfb, 0}, 0}, {[]byte{0xfb, 7}, 0},
	} {
		got, ok := opusSamples(c.payload)
		if ok != (c.want > 0) || ok && got != c.want {
			t.Errorf("%x: %d, %v; want %d", c.payload, got, ok, c.want)
		}
	}
}

func FuzzPacketFromRTP(f *testing.F) {
	pk := makePacket(3, 70000)
	f.Add(wire(f, pk, 3, identityOf(pk), 0), uint8(3), near)
	f.Add(wire(f, pk, 3, identityOf(pk), 200), uint8(3), int64(1))
	f.Add(wire(f, pk, 9, []byte{1, 2, 3, 4}, 0), uint8(9), int64(-5))
	f.Add([]byte{0xbf, 0xff, 0, 0}, uint8(15), int64(1)<<62)
	for _, lie := range lyingPackets(f) {
		f.Add(lie, uint8(3), near)
	}
	f.Fuzz(func(t *testing.T, buf []byte, id uint8, near int64) {
		var got packet.Packet
		if err := packetFromRTP(&got, &rtp.Header{}, buf, id, 0, near); err != nil {
			return
		}
		if got.Number < 0 || got.Number > packet.MaxNumber || got.Samples <= 0 || got.Samples > maxPacketSamples {
			t.Errorf("%+v", got)
		}
		if d := got.FirstSample - near; d < -1<<31 || d >= 1<<31 {
			t.Errorf("first sample %d is far from %d", got.FirstSample, near)
		}
		if !bytes.Contains(buf, got.Payload) || len(got.Payload) == 0 {
			t.Error("payload is not part of the packet")
		}
	})
}
