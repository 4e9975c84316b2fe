package peer

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"gasso/net/packet"
	"gasso/net/signaling"
)

func checkIdentity(t *testing.T, got []packet.Packet, generation uint8) {
	t.Helper()
	for _, p := range got {
		want := makePacket(generation, p.Number)
		if p.Generation != generation || p.FirstSample != want.FirstSample || p.Samples != want.Samples ||
			string(p.Payload) != string(want.Payload) {
			t.Fatalf("packet %d arrived as %+v", p.Number, p)
		}
	}
}

// checkNoHoles wants every packet from the first that arrived to last.
func checkNoHoles(t *testing.T, who string, got []packet.Packet, last int64) {
	t.Helper()
	if len(got) == 0 {
		t.Fatalf("%s: no packets", who)
	}
	for i, p := range got {
		if p.Number != got[0].Number+int64(i) {
			t.Fatalf("%s: packet %d follows %d", who, p.Number, got[i-1].Number)
		}
	}
	if got[len(got)-1].Number != last {
		t.Fatalf("%s: last packet is %d, want %d", who, got[len(got)-1].Number, last)
	}
}

func TestTwoLinksExchangePacketsWithTheirIdentity(t *testing.T) {
	a, b := connect(t, newFactory(t, Config{}), newFactory(t, Config{}))
	pa, pb := NewPublisher("anna"), NewPublisher("bela")
	mustAttach(t, pa, a.link)
	mustAttach(t, pb, b.link)
	if err := a.link.Negotiate(); err != nil {
		t.Fatal(err)
	}
	connected(t, a, b)
	stopA, stopB := flow(pa, 7), flow(pb, 200)
	eventually(t, "packets both ways", func() bool { return a.count("bela") > 50 && b.count("anna") > 50 })
	lastA, lastB := stopA()-1, stopB()-1
	for _, c := range []struct {
		at         *side
		from       string
		generation uint8
		last       int64
	}{{b, "anna", 7, lastA}, {a, "bela", 200, lastB}} {
		eventually(t, "last packet", func() bool {
			got := c.at.packets(c.from)
			return got[len(got)-1].Number == c.last
		})
		got := c.at.packets(c.from)
		checkIdentity(t, got, c.generation)
		checkNoHoles(t, c.from, got, c.last)
		if c.at.count(c.at.link.cfg.LocalID) != 0 {
			t.Errorf("%s hears itself", c.at.link.cfg.LocalID)
		}
	}
	if id := a.link.ID(); id == "" || id != b.link.ID() {
		t.Errorf("link ids %q and %q", id, b.link.ID())
	}
	eventually(t, "round-trip time", func() bool { return a.link.Stats().RTT > 0 })
	s := a.link.Stats()
	if s.Protocol != "udp" || s.LocalCandidateType != "host" || s.Relay || s.BytesSent == 0 || s.BytesReceived == 0 {
		t.Errorf("stats: %+v", s)
	}
	if c := pa.Counters(a.link); c.Sent < 50 {
		t.Errorf("publisher counters: %+v", c)
	}
}

func TestNewPublicationStartsAgainOnTheSameTrack(t *testing.T) {
	a, b, p := publishing(t)
	eventually(t, "way to the other side", func() bool { return p.Write(makePacket(1, 0)) == nil && p.Counters(a.link).Sent == 1 })
	eventually(t, "first packet", func() bool { return b.count("anna") == 1 })
	const far = 5 << 16 // beyond what the sequence number holds
	for n := range int64(300) {
		_ = p.Write(makePacket(1, far+n))
		eventually(t, "packet", func() bool { return countGeneration(b.packets("anna"), 1) > int(n)+1 })
	}
	for n := range 300 { // numbers start over, and come out of order
		_ = p.Write(makePacket(2, int64(n^1)))
		eventually(t, "packet", func() bool { return countGeneration(b.packets("anna"), 2) == n+1 })
	}
	got := b.packets("anna")
	for _, p := range got {
		checkIdentity(t, []packet.Packet{p}, p.Generation)
	}
	if !slices.ContainsFunc(got, func(p packet.Packet) bool { return p.Number == far+299 }) {
		t.Error("packet number beyond 16 bits got lost")
	}
}

// countGeneration counts a generation's packets.
func countGeneration(packets []packet.Packet, generation uint8) (n int) {
	for _, p := range packets {
		if p.Generation == generation {
			n++
		}
	}
	return n
}

func TestThirdPublisherJoinsWithoutLoss(t *testing.T) {
	a, b := connect(t, newFactory(t, Config{}), newFactory(t, Config{}))
	names := []string{"carl", "dora", "emil"}
	var publishers []*Publisher
	for _, name := range names {
		publishers = append(publishers, NewPublisher(name))
	}
	mustAttach(t, publishers[0], a.link)
	mustAttach(t, publishers[1], a.link)
	if err := a.link.Negotiate(); err != nil {
		t.Fatal(err)
	}
	connected(t, a, b)
	stops := []func() int64{flow(publishers[0], 1), flow(publishers[1], 2)}
	eventually(t, "two origins", func() bool { return b.count("carl") > 20 && b.count("dora") > 20 })
	mustAttach(t, publishers[2], a.link) // renegotiates by itself
	stops = append(stops, flow(publishers[2], 3))
	eventually(t, "third origin", func() bool { return b.count("emil") > 50 })
	for i, stop := range stops {
		last := stop() - 1
		eventually(t, "last packet", func() bool {
			got := b.packets(names[i])
			return got[len(got)-1].Number == last
		})
		checkNoHoles(t, names[i], b.packets(names[i]), last)
		checkIdentity(t, b.packets(names[i]), uint8(i+1))
	}
}

func TestMediaSectionsAreUsedAgain(t *testing.T) {
	a, b := connect(t, newFactory(t, Config{}), newFactory(t, Config{}))
	if err := a.link.Negotiate(); err != nil {
		t.Fatal(err)
	}
	connected(t, a, b)
	settled := func() bool {
		var idle bool
		_ = a.link.call(func() error { idle = !a.link.outstanding && !a.link.due; return nil })
		return idle
	}
	for i := range 6 {
		name := string(rune('a' + i))
		p := NewPublisher(name)
		mustAttach(t, p, a.link)
		stop := flow(p, 9)
		eventually(t, "origin "+name, func() bool { return b.count(name) > 5 })
		stop()
		p.DetachFrom(a.link)
		if c := p.Counters(a.link); c != (PublisherCounters{}) {
			t.Errorf("detached publisher counts %+v", c)
		}
		eventually(t, "end of negotiation", settled)
	}
	if n := len(a.link.pc.GetTransceivers()); n > 2 {
		t.Errorf("%d media sections for one publisher at a time", n)
	}
}

func TestAnswererChangesItsPublisher(t *testing.T) {
	a, b := connect(t, newFactory(t, Config{}), newFactory(t, Config{}))
	if err := a.link.Negotiate(); err != nil {
		t.Fatal(err)
	}
	connected(t, a, b)
	first, second := NewPublisher("first"), NewPublisher("second")
	mustAttach(t, first, b.link) // asks the offerer for an offer
	stop := flow(first, 1)
	eventually(t, "first publisher", func() bool { return a.count("first") > 5 })
	stop()
	if err := second.AttachTo(b.link); err == nil {
		t.Error("the answerer took two publishers")
	}
	first.DetachFrom(b.link)
	mustAttach(t, second, b.link) // before the detachment is negotiated
	stop = flow(second, 2)
	defer stop()
	eventually(t, "second publisher", func() bool { return a.count("second") > 5 })
}

func TestRestartFindsNewCredentialsWhileMediaFlows(t *testing.T) {
	for _, side := range []string{"offerer", "answerer"} {
		t.Run(side, func(t *testing.T) {
			a, b, p := publishing(t)
			stop := flow(p, 1)
			defer stop()
			eventually(t, "packets", func() bool { return b.count("anna") > 10 })
			before := remoteFragment(t, b.link)
			l := a.link
			if side == "answerer" {
				l = b.link
			}
			if err := l.Restart(); err != nil {
				t.Fatal(err)
			}
			eventually(t, "new credentials", func() bool { return remoteFragment(t, b.link) != before })
			connected(t, a, b)
			had := b.count("anna")
			eventually(t, "packets after the restart", func() bool { return b.count("anna") > had+20 })
		})
	}
}

func remoteFragment(t *testing.T, l *Link) string {
	t.Helper()
	d := l.pc.CurrentRemoteDescription()
	if d == nil {
		return ""
	}
	_, rest, _ := strings.Cut(d.SDP, "a=ice-ufrag:")
	fragment, _, found := strings.Cut(rest, "\r\n")
	if !found {
		t.Fatalf("no ICE credentials in %s", d.SDP)
	}
	return fragment
}

func TestLostOfferAndAnswerAreRepeated(t *testing.T) {
	a, b := connect(t, newFactory(t, Config{}), newFactory(t, Config{}))
	for _, s := range []*side{a, b} {
		lost := false
		drop := func(m *signaling.Signal) bool {
			first := m.Description != nil && !lost
			lost = lost || first
			return !first
		}
		s.filter.Store(&drop)
	}
	p := NewPublisher("anna")
	mustAttach(t, p, a.link)
	if err := a.link.Negotiate(); err != nil {
		t.Fatal(err)
	}
	stop := flow(p, 1)
	defer stop()
	eventually(t, "packets", func() bool { return b.count("anna") > 5 })
}

func TestAnswererAsksForTheFirstOffer(t *testing.T) {
	a, b := connect(t, newFactory(t, Config{}), newFactory(t, Config{}))
	p := NewPublisher("anna")
	mustAttach(t, p, a.link)
	if err := b.link.Negotiate(); err != nil { // a has not begun
		t.Fatal(err)
	}
	stop := flow(p, 1)
	defer stop()
	eventually(t, "packets", func() bool { return b.count("anna") > 5 })
	id := a.link.ID()
	if err := a.link.Handle(&signaling.Signal{Link: id, Renegotiate: &signaling.Renegotiate{Reason: "test"}}); err != nil {
		t.Error(err)
	}
	had := b.count("anna")
	eventually(t, "packets after another offer", func() bool { return b.count("anna") > had+5 })
}

func TestEndOfTheOtherSideIsToldAtOnce(t *testing.T) {
	a, b, p := publishing(t)
	stop := flow(p, 1)
	defer stop()
	eventually(t, "packets", func() bool { return b.count("anna") > 5 })
	if err := b.link.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "failure", func() bool { return a.state() == StateFailed })
	if err := a.link.Restart(); !errors.Is(err, ErrStartOver) {
		t.Errorf("restart: %v", err)
	}
	if err := a.link.Handle(&signaling.Signal{Renegotiate: &signaling.Renegotiate{}}); !errors.Is(err, ErrStartOver) {
		t.Errorf("wish of a new connection: %v", err)
	}
}

// TestRebornAnswererIsNotMistaken has a new PeerConnection answer a restart that was meant for one
// that is gone.
func TestRebornAnswererIsNotMistaken(t *testing.T) {
	f := newFactory(t, Config{})
	a, b := connect(t, f, f)
	if err := a.link.Negotiate(); err != nil {
		t.Fatal(err)
	}
	connected(t, a, b)
	answers := make(chan *signaling.Signal, 1)
	reborn, err := f.NewLink(LinkConfig{LocalID: "bela", RemoteID: "anna", Send: func(s *signaling.Signal) {
		if s.Description != nil {
			answers <- s
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	offers := make(chan *signaling.Signal, 8)
	steal := func(s *signaling.Signal) bool {
		if s.Description != nil {
			offers <- s
		}
		return false
	}
	a.filter.Store(&steal)
	if err := a.link.Restart(); err != nil {
		t.Fatal(err)
	}
	if err := reborn.Handle(<-offers); err != nil {
		t.Fatal(err)
	}
	if err := a.link.Handle(<-answers); !errors.Is(err, ErrStartOver) {
		t.Errorf("answer of the new connection: %v", err)
	}
}
