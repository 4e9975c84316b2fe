package peer

import (
	"strings"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"gasso/net/signaling"
)

// The whole way through pion, both ways: RED is negotiated, copies come as duplicates and vanish, and
// reports and requests reach the sender.
func TestProtectionThroughPion(t *testing.T) {
	a, b := connect(t, newFactory(t, Config{}), newFactory(t, Config{}))
	anna, bela := NewPublisher("anna"), NewPublisher("bela")
	mustAttach(t, anna, a.link)
	mustAttach(t, bela, b.link)
	if err := a.link.Negotiate(); err != nil {
		t.Fatal(err)
	}
	connected(t, a, b)
	for _, way := range []struct {
		p        *Publisher
		from, to *side
	}{{anna, a, b}, {bela, b, a}} {
		eventually(t, "negotiated track", func() bool { return len(way.p.bound.Load().tracks) == 1 })
		track := way.p.bound.Load().tracks[0]
		track.protection.Store(2<<8 | 3)
		stop := flow(way.p, 9)
		name := way.p.StreamID()
		eventually(t, "packets", func() bool { return way.to.count(name) > 100 })
		way.to.mu.Lock()
		sub := way.to.subs[0]
		way.to.mu.Unlock()
		eventually(t, "repeated packet", func() bool {
			sub.Request(9, []int64{way.to.packets(name)[way.to.count(name)-1].Number})
			time.Sleep(5 * time.Millisecond)
			return way.p.Counters(way.from.link).Resent > 0
		})
		// No loss, by the receiver's report: the controller takes back what it had not ordered.
		eventually(t, "report", func() bool { return way.p.Counters(way.from.link).RedundantDepth == 0 })
		stop()
		if track.redType == 0 {
			t.Errorf("%s: RED was not negotiated", name)
		}
		seen := map[int64]bool{}
		for _, pk := range way.to.packets(name) {
			if seen[pk.Number] {
				t.Errorf("%s: packet %d came twice", name, pk.Number)
			}
			seen[pk.Number] = true
		}
		if c := sub.Counters(); c.Malformed != 0 || c.Unidentified != 0 {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

// lossy is a network that loses every tenth packet.
type lossy struct {
	webrtc.TrackLocalWriter
	n int
}

func (l *lossy) WriteRTP(h *rtp.Header, payload []byte) (int, error) {
	if l.n++; l.n%10 == 0 {
		return len(payload), nil
	}
	return l.TrackLocalWriter.WriteRTP(h, payload)
}

// The reports of a receiver that loses packets bring it copies, until nothing is missing any more.
func TestLossIsRepairedThroughPion(t *testing.T) {
	a, b, p := publishing(t)
	eventually(t, "negotiated track", func() bool { return len(p.bound.Load().tracks) == 1 })
	track := p.bound.Load().tracks[0]
	track.stream = &lossy{TrackLocalWriter: track.stream}
	stop := flow(p, 9)
	eventually(t, "copies", func() bool { return p.Counters(a.link).RedundantDepth > 0 })
	protected := b.count("anna") + 2 // what is on its way
	eventually(t, "packets", func() bool { return b.count("anna") > protected+400 })
	stop()
	got := b.packets("anna")[protected:]
	first, last, came := got[0].Number, got[0].Number, map[int64]bool{}
	for _, pk := range got {
		if came[pk.Number] || string(pk.Payload) != string(makePacket(9, pk.Number).Payload) {
			t.Errorf("packet %d came twice or with another's payload", pk.Number)
		}
		came[pk.Number] = true
		first, last = min(first, pk.Number), max(last, pk.Number)
	}
	if missing := int(last-first) + 1 - len(came); missing > 2 {
		t.Errorf("%d of %d packets are missing although each came with a copy of the one before", missing, last-first+1)
	}
	b.mu.Lock()
	c := b.subs[0].Counters()
	b.mu.Unlock()
	if c.Repaired < 20 || c.Malformed != 0 {
		t.Errorf("counters %+v", c)
	}
	t.Logf("counters %+v, sender %+v", c, p.Counters(a.link))
}

// A side that plays nothing asks for what is missing as soon as it should have come, where that is of use.
func TestGapsAreAskedForThroughPion(t *testing.T) {
	for _, ofUse := range []bool{true, false} {
		a, b, p := publishing(t)
		eventually(t, "negotiated track", func() bool { return len(p.bound.Load().tracks) == 1 })
		p.LimitCopies(a.link, 0)
		track := p.bound.Load().tracks[0]
		track.stream = &lossy{TrackLocalWriter: track.stream}
		stop := flow(p, 9)
		eventually(t, "packets", func() bool { return b.count("anna") > 10 })
		b.mu.Lock()
		sub := b.subs[0]
		b.mu.Unlock()
		sub.AskForGaps(func() bool { return ofUse })
		begun := b.count("anna") + 2
		eventually(t, "packets", func() bool { return b.count("anna") > begun+400 })
		got := b.packets("anna")[begun:]
		p.LimitCopies(a.link, copiesOfApps)
		eventually(t, "copies, since what is asked for comes late", func() bool { return p.Counters(a.link).RedundantDepth > 0 })
		stop()
		first, last := got[0].Number, got[0].Number
		for _, pk := range got {
			first, last = min(first, pk.Number), max(last, pk.Number)
		}
		expected, resent := int(last-first)+1, p.Counters(a.link).Resent
		missing := expected - len(got)
		t.Logf("of use %v: %d of %d missing, %d sent again", ofUse, missing, expected, resent)
		if ofUse && missing > expected/40 || !ofUse && (resent > 0 || missing < expected/20) {
			t.Errorf("of use %v: %d of %d missing, %d sent again", ofUse, missing, expected, resent)
		}
	}
}

// A browser's Opus differs from ours in its parameters, its RED does not: pion keeps Opus only where the
// parameters do not contradict each other.
func TestOpusStaysBesideRED(t *testing.T) {
	media := &webrtc.MediaEngine{}
	browsers := opusCodec()
	browsers.SDPFmtpLine = "minptime=10;useinbandfec=1"
	for _, codec := range []webrtc.RTPCodecParameters{browsers, redCodec()} {
		if err := media.RegisterCodec(codec, webrtc.RTPCodecTypeAudio); err != nil {
			t.Fatal(err)
		}
	}
	pc, err := webrtc.NewAPI(webrtc.WithMediaEngine(media)).NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = pc.GracefulClose() }()
	if _, err := pc.AddTransceiverFromKind(webrtc.RTPCodecTypeAudio); err != nil {
		t.Fatal(err)
	}
	offer, err := pc.CreateOffer(nil)
	if err != nil {
		t.Fatal(err)
	}
	answers := make(chan string, 8)
	l, err := newFactory(t, Config{}).NewLink(LinkConfig{LocalID: "zoe", RemoteID: "anna", Send: func(s *signaling.Signal) {
		if s.Description != nil {
			answers <- s.Description.SDP
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	mustAttach(t, NewPublisher("zoe"), l)
	if err := l.Handle(&signaling.Signal{Link: "x", Description: &signaling.Description{Type: "offer", SDP: offer.SDP}}); err != nil {
		t.Fatal(err)
	}
	answer := <-answers
	for _, want := range []string{"m=audio 9 UDP/TLS/RTP/SAVPF 111 63", "a=rtpmap:111 opus/48000/2", "a=rtpmap:63 red/48000/2"} {
		if !strings.Contains(answer, want) {
			t.Errorf("the answer lacks %s:\n%s", want, answer)
		}
	}
}
