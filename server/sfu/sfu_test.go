package sfu

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gasso/net/packet"
	"gasso/net/peer"
	"gasso/net/signaling"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	near     = int64(1_800_000_000) * packet.SampleRate // room time of all packets
	patience = 15 * time.Second
)

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("no %s within %v", what, patience)
}

// hall is a server with a forwarder, and performers connected to it over real sockets.
type hall struct {
	t          *testing.T
	forwarder  *Forwarder
	server     *peer.Factory
	performers *peer.Factory
	quit       chan struct{}
	pumps      sync.WaitGroup
	offers     atomic.Int64
}

func newHall(t *testing.T) *hall {
	t.Helper()
	mux, err := peer.NewMux(peer.MuxConfig{UDP: &peer.PortRange{}, Loopback: true})
	if err != nil {
		t.Fatal(err)
	}
	server, err := peer.NewFactory(peer.Config{Mux: mux, Loopback: true})
	if err != nil {
		t.Fatal(err)
	}
	performers, err := peer.NewFactory(peer.Config{Loopback: true})
	if err != nil {
		t.Fatal(err)
	}
	h := &hall{t: t, forwarder: New(), server: server, performers: performers, quit: make(chan struct{})}
	t.Cleanup(func() {
		for _, f := range []*peer.Factory{performers, server} {
			if err := f.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		}
		close(h.quit)
		h.pumps.Wait()
	})
	return h
}

// performer is one participant: what it hears, and both ends of its link.
type performer struct {
	id        string
	publisher *peer.Publisher
	link      *peer.Link
	atServer  *peer.Link

	mu    sync.Mutex
	heard map[string][]packet.Packet
	subs  []*peer.Subscriber
}

func (p *performer) count(originID string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.heard[originID])
}

func (h *hall) join(id string) *performer {
	h.t.Helper()
	p := &performer{id: id, publisher: peer.NewPublisher(id), heard: map[string][]packet.Packet{}}
	toServer, toPerformer := make(chan *signaling.Signal, 256), make(chan *signaling.Signal, 256)
	clock := func(time.Time) int64 { return near }
	var err error
	p.atServer, err = h.server.NewLink(peer.LinkConfig{
		LocalID: signaling.ServerID, RemoteID: id, Offerer: true,
		Send: func(s *signaling.Signal) {
			if s.Description != nil {
				h.offers.Add(1)
			}
			toPerformer <- s
		},
		OnTrack: func(s *peer.Subscriber) {
			track := h.forwarder.Publish(id)
			if err := s.Run(func(pk *packet.Packet, _ time.Time) { track.Forward(pk) }, clock); err != nil {
				h.t.Errorf("uplink of %s: %v", id, err)
			}
		},
	})
	if err != nil {
		h.t.Fatal(err)
	}
	p.link, err = h.performers.NewLink(peer.LinkConfig{
		LocalID: id, RemoteID: signaling.ServerID,
		Send: func(s *signaling.Signal) { toServer <- s },
		OnTrack: func(s *peer.Subscriber) {
			p.mu.Lock()
			p.subs = append(p.subs, s)
			p.mu.Unlock()
			_ = s.Run(func(pk *packet.Packet, _ time.Time) {
				kept := *pk
				kept.Payload = append([]byte(nil), pk.Payload...)
				p.mu.Lock()
				p.heard[s.StreamID()] = append(p.heard[s.StreamID()], kept)
				p.mu.Unlock()
			}, clock)
		},
	})
	if err != nil {
		h.t.Fatal(err)
	}
	for _, way := range []struct {
		from chan *signaling.Signal
		to   *peer.Link
	}{{toServer, p.atServer}, {toPerformer, p.link}} {
		h.pumps.Go(func() {
			for {
				select {
				case s := <-way.from:
					_ = way.to.Handle(s)
				case <-h.quit:
					return
				}
			}
		})
	}
	if err := p.publisher.AttachTo(p.link); err != nil {
		h.t.Fatal(err)
	}
	return p
}

func (h *hall) subscribe(originID string, p *performer) {
	h.t.Helper()
	if err := h.forwarder.Subscribe(originID, p.atServer, p.id); err != nil {
		h.t.Fatal(err)
	}
}

// play writes packets of all performers every 5 ms until the returned call.
func (h *hall) play(performers ...*performer) (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for n := int64(0); ; n++ {
			select {
			case <-tick.C:
			case <-quit:
				return
			}
			for i, p := range performers {
				_ = p.publisher.Write(&packet.Packet{
					Generation: uint8(i + 1), Number: n, FirstSample: near + 240*n, Samples: 240,
					Payload: fmt.Appendf([]byte{0xec}, "%s plays %d", p.id, n),
				})
			}
		}
	}()
	return func() {
		close(quit)
		<-done
	}
}

// The server keeps the newest packets of everybody, so that a receiver need not wait for their origin.
func TestAForwardedPacketIsSentAgain(t *testing.T) {
	h := newHall(t)
	anna, bela := h.join("anna"), h.join("bela")
	h.subscribe("anna", bela)
	for _, p := range []*performer{anna, bela} {
		if err := p.atServer.Negotiate(); err != nil {
			t.Fatal(err)
		}
	}
	stop := h.play(anna)
	eventually(t, "packets", func() bool { return bela.count("anna") > 50 })
	again := func() int64 { return h.forwarder.Publish("anna").publisher.Counters(bela.atServer).Resent }
	eventually(t, "packet sent again", func() bool {
		bela.mu.Lock()
		sub, newest := bela.subs[0], bela.heard["anna"][len(bela.heard["anna"])-1].Number
		bela.mu.Unlock()
		sub.Request(1, []int64{newest - 2, newest})
		return again() >= 2
	})
	stop()
	seen := map[int64]bool{}
	bela.mu.Lock()
	defer bela.mu.Unlock()
	for _, pk := range bela.heard["anna"] {
		if seen[pk.Number] {
			t.Errorf("packet %d was delivered twice", pk.Number)
		}
		seen[pk.Number] = true
	}
	if c := anna.publisher.Counters(anna.link); c.Resent != 0 {
		t.Errorf("the origin sent %d packets again", c.Resent)
	}
}

func TestFourPerformersHearTheOthersAndNotThemselves(t *testing.T) {
	h := newHall(t)
	var all []*performer
	for _, id := range []string{"anna", "bela", "carl", "dora"} {
		all = append(all, h.join(id))
	}
	for _, to := range all {
		for _, from := range all {
			if from != to {
				h.subscribe(from.id, to)
			}
		}
		if err := to.atServer.Negotiate(); err != nil {
			t.Fatal(err)
		}
	}
	stop := h.play(all...)
	eventually(t, "packets of everybody at everybody", func() bool { return allHear(all, 30) })
	stop()
	heard := int64(0)
	for _, to := range all {
		if n := to.count(to.id); n != 0 {
			t.Errorf("%s hears itself %d times", to.id, n)
		}
		to.mu.Lock()
		if len(to.heard) != 3 {
			t.Errorf("%s hears %d performers", to.id, len(to.heard))
		}
		to.mu.Unlock()
		for i, from := range all {
			heard += int64(to.count(from.id))
			checkHeard(t, to, from, uint8(i+1))
		}
	}
	c := h.forwarder.Counters()
	if c.Forwarded < heard || c.Received < c.Forwarded/3 {
		t.Errorf("counters %+v, heard %d", c, heard)
	}
}

// allHear tells whether everybody has n packets of everybody else.
func allHear(all []*performer, n int) bool {
	for _, to := range all {
		for _, from := range all {
			if from != to && to.count(from.id) < n {
				return false
			}
		}
	}
	return true
}

// checkHeard wants what one performer played, unchanged, at another.
func checkHeard(t *testing.T, to, from *performer, generation uint8) {
	t.Helper()
	to.mu.Lock()
	defer to.mu.Unlock()
	for _, pk := range to.heard[from.id] {
		want := fmt.Sprintf("\xec%s plays %d", from.id, pk.Number)
		if string(pk.Payload) != want || pk.Generation != generation ||
			pk.FirstSample != near+240*pk.Number || pk.Samples != 240 {
			t.Fatalf("%s hears from %s: %+v", to.id, from.id, pk)
		}
	}
}

func TestUnsubscribeAndRemove(t *testing.T) {
	h := newHall(t)
	anna, bela, carl := h.join("anna"), h.join("bela"), h.join("carl")
	for _, p := range []*performer{bela, carl} {
		h.subscribe("anna", p)
		h.subscribe("anna", p) // again: nothing
	}
	h.subscribe("bela", carl)
	for _, p := range []*performer{anna, bela, carl} {
		if err := p.atServer.Negotiate(); err != nil {
			t.Fatal(err)
		}
	}
	stop := h.play(anna, bela)
	defer func() { stop() }()
	eventually(t, "packets", func() bool { return bela.count("anna") > 10 && carl.count("anna") > 10 && carl.count("bela") > 10 })

	h.forwarder.Unsubscribe("anna", "bela")
	h.forwarder.Unsubscribe("anna", "bela")
	h.forwarder.Unsubscribe("nobody", "bela")
	had, others := bela.count("anna"), carl.count("anna")
	eventually(t, "more packets at the other subscriber", func() bool { return carl.count("anna") > others+20 })
	if got := bela.count("anna"); got > had+5 { // a few were on their way
		t.Errorf("%d packets after unsubscribing", got-had)
	}

	before := h.forwarder.Counters().Forwarded
	h.forwarder.Remove("anna")
	h.forwarder.Remove("anna")
	if after := h.forwarder.Counters().Forwarded; after < before {
		t.Errorf("the counter fell from %d to %d", before, after)
	}
	others = carl.count("bela")
	eventually(t, "bela still at carl", func() bool { return carl.count("bela") > others+20 })
	h.forwarder.Remove("carl")
	left := h.forwarder.Counters().Forwarded
	received := h.forwarder.Counters().Received
	eventually(t, "packets received", func() bool { return h.forwarder.Counters().Received > received+20 })
	if got := h.forwarder.Counters().Forwarded; got > left+2 {
		t.Errorf("%d packets forwarded to nobody", got-left)
	}
}

// On standby a subscription stays negotiated: it is silent and goes on without a word of signaling.
func TestStandby(t *testing.T) {
	h := newHall(t)
	anna, bela, carl := h.join("anna"), h.join("bela"), h.join("carl")
	h.forwarder.SetStandby("anna", "carl", true) // before there is a subscription
	for _, p := range []*performer{bela, carl} {
		h.subscribe("anna", p)
	}
	for _, p := range []*performer{anna, bela, carl} {
		if err := p.atServer.Negotiate(); err != nil {
			t.Fatal(err)
		}
	}
	stop := h.play(anna)
	defer func() { stop() }()
	eventually(t, "packets", func() bool { return bela.count("anna") > 20 })
	if n := carl.count("anna"); n != 0 {
		t.Errorf("%d packets on standby", n)
	}
	offers := h.offers.Load()
	h.forwarder.SetStandby("anna", "carl", false)
	eventually(t, "packets after standby", func() bool { return carl.count("anna") > 20 })
	h.forwarder.SetStandby("anna", "bela", true)
	had, others := bela.count("anna"), carl.count("anna")
	eventually(t, "more packets at the other subscriber", func() bool { return carl.count("anna") > others+20 })
	if got := bela.count("anna"); got > had+5 { // a few were on their way
		t.Errorf("%d packets on standby", got-had)
	}
	h.forwarder.SetStandby("anna", "bela", false)
	h.forwarder.SetStandby("anna", "bela", false)
	had = bela.count("anna")
	eventually(t, "packets after standby", func() bool { return bela.count("anna") > had+20 })
	if n := h.offers.Load(); n != offers {
		t.Errorf("%d offers for a change of level", n-offers)
	}
}

func TestSubscriptionRules(t *testing.T) {
	h := newHall(t)
	anna := h.join("anna")
	if err := h.forwarder.Subscribe("anna", anna.atServer, "anna"); err == nil {
		t.Error("anna may hear herself")
	}
	if first := h.forwarder.Publish("anna"); first != h.forwarder.Publish("anna") {
		t.Error("two tracks for one origin")
	}
	if err := anna.atServer.Close(); err != nil {
		t.Fatal(err)
	}
	if err := h.forwarder.Subscribe("bela", anna.atServer, "anna"); err == nil {
		t.Error("subscribed a closed link")
	}
	h.forwarder.Remove("anna")
	if c := h.forwarder.Counters(); c != (Counters{}) {
		t.Errorf("counters %+v", c)
	}
}
