package peer

import (
	"errors"
	"testing"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"gasso/net/packet"
)

// fakeContext is a negotiated track without a network.
type fakeContext struct {
	writer     writerFunc
	withoutRED bool
	extensions []webrtc.RTPHeaderExtensionParameter
}

func (c fakeContext) CodecParameters() []webrtc.RTPCodecParameters {
	if c.withoutRED {
		return []webrtc.RTPCodecParameters{opusCodec()}
	}
	return []webrtc.RTPCodecParameters{redCodec(), opusCodec()}
}
func (c fakeContext) HeaderExtensions() []webrtc.RTPHeaderExtensionParameter { return c.extensions }
func (c fakeContext) SSRC() webrtc.SSRC                                      { return 1234 }
func (c fakeContext) SSRCRetransmission() webrtc.SSRC                        { return 0 }
func (c fakeContext) SSRCForwardErrorCorrection() webrtc.SSRC                { return 0 }
func (c fakeContext) WriteStream() webrtc.TrackLocalWriter                   { return c.writer }
func (c fakeContext) ID() string                                             { return "fake" }
func (c fakeContext) RTCPReader() interceptor.RTCPReader                     { return nil }

type writerFunc func(header *rtp.Header, payload []byte) (int, error)

func (f writerFunc) WriteRTP(h *rtp.Header, payload []byte) (int, error) { return f(h, payload) }
func (f writerFunc) Write([]byte) (int, error)                           { return 0, errors.New("not used") }

func bindFake(t testing.TB, p *Publisher, l *Link, id int, w writerFunc) *localTrack {
	t.Helper()
	track := newLocalTrack(p, l)
	track.now = func() time.Time { return time.Unix(1e9, 0) }
	p.add(track)
	extensions := []webrtc.RTPHeaderExtensionParameter{{URI: "urn:other", ID: 3}, {URI: packet.ExtensionURI, ID: id}}
	if _, err := track.Bind(fakeContext{writer: w, extensions: extensions}); err != nil {
		t.Fatal(err)
	}
	return track
}

func TestEachLinkHasItsOwnHeader(t *testing.T) {
	p := NewPublisher("anna")
	var seen [2]rtp.Header
	for i := range seen {
		bindFake(t, p, &Link{factory: &Factory{}}, 4+i, func(h *rtp.Header, payload []byte) (int, error) {
			if h.GetExtension(14) != nil {
				t.Error("an extension leaked from one link or packet to the next")
			}
			seen[i] = h.Clone()
			return len(payload), h.SetExtension(uint8(4+i), []byte{1, 2, 3, 4, 5, 6})
		})
	}
	for n := range int64(3) {
		if err := p.Write(makePacket(5, n+0x1_0000)); err != nil {
			t.Fatal(err)
		}
	}
	for i, h := range seen {
		if got := h.GetExtension(uint8(4 + i)); string(got) != "\x05\x00\x00\x01\x00\x02" {
			t.Errorf("link %d: identity %x", i, got)
		}
		if h.SequenceNumber != 2 || h.Timestamp != makePacket(5, 0x1_0002).Timestamp() || h.PayloadType != 111 {
			t.Errorf("link %d: header %+v", i, h)
		}
	}
}

func TestWriteAllocatesNothing(t *testing.T) {
	p := NewPublisher("anna")
	for range 3 {
		bindFake(t, p, &Link{factory: &Factory{}}, 1, func(_ *rtp.Header, payload []byte) (int, error) { return len(payload), nil })
	}
	pk := makePacket(1, 1)
	if n := testing.AllocsPerRun(1000, func() { _ = p.Write(pk) }); n != 0 {
		t.Errorf("Write makes %v allocations", n)
	}
}

// The whole way through pion's SRTP, ICE and the socket. The receiver lives in the same process and
// allocates too, so the least of many short runs is taken.
func TestWriteThroughPionAllocatesNothing(t *testing.T) {
	a, _, p := publishing(t)
	pk, least := makePacket(1, 1), 1e9
	eventually(t, "way to the other side", func() bool { return p.Write(pk) == nil && p.Counters(a.link).Sent > 0 })
	for range 200 {
		least = min(least, testing.AllocsPerRun(20, func() { _ = p.Write(pk) }))
	}
	t.Logf("allocations for one packet on one link: %v", least)
	if least > 0 {
		t.Errorf("Write makes %v allocations", least)
	}
}

func TestWriteRefusesWhatDoesNotFit(t *testing.T) {
	p := NewPublisher("anna")
	for _, size := range []int{0, maxPayloadBytes + 1} {
		if err := p.Write(&packet.Packet{Payload: make([]byte, size)}); err == nil {
			t.Errorf("wrote a payload of %d bytes", size)
		}
	}
}

func TestOneFailingLinkLeavesTheOthers(t *testing.T) {
	p := NewPublisher("anna")
	broken := errors.New("broken")
	bad := bindFake(t, p, &Link{factory: &Factory{}}, 1, func(*rtp.Header, []byte) (int, error) { return 0, broken })
	good := bindFake(t, p, &Link{factory: &Factory{}}, 1, func(_ *rtp.Header, b []byte) (int, error) { return len(b), nil })
	if err := p.Write(makePacket(1, 1)); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	if c := p.Counters(bad.link); c.Failed != 1 || c.Sent != 0 {
		t.Errorf("bad link: %+v", c)
	}
	if c := p.Counters(good.link); c.Sent != 1 || c.Failed != 0 {
		t.Errorf("good link: %+v", c)
	}
	p.remove(bad)
	if err := p.Write(makePacket(1, 2)); err != nil {
		t.Errorf("after removing the bad link: %v", err)
	}
}

func TestSlowRelayNeverHoldsTheWriter(t *testing.T) {
	p := NewPublisher("anna")
	l := &Link{factory: &Factory{}, send: newSendQueue()}
	gate, quit, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	var payloads []string
	bindFake(t, p, l, 1, func(_ *rtp.Header, payload []byte) (int, error) {
		<-gate
		payloads = append(payloads, string(payload))
		return len(payload), nil
	})
	go func() {
		l.send.run(quit)
		close(done)
	}()
	start := time.Now()
	for n := range int64(200) {
		pk := makePacket(1, n)
		if err := p.Write(pk); err != nil {
			t.Fatal(err)
		}
		clear(pk.Payload) // borrowed until Write returned
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("200 writes took %v", took)
	}
	if c := p.Counters(l); c.Failed != 200-sendQueueLength {
		t.Errorf("counters %+v", c)
	}
	close(gate)
	eventually(t, "what was queued", func() bool { return p.Counters(l).Sent == sendQueueLength })
	close(quit)
	<-done
	for n, got := range payloads {
		if got != string(makePacket(1, int64(n)).Payload) {
			t.Fatalf("packet %d arrived as %q", n, got)
		}
	}
}
