package peer

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/pion/rtcp"

	"gasso/net/packet"
	"gasso/net/signaling"
)

// hold keeps the descriptions that a side sends, for the test to deliver.
func hold(s *side) <-chan *signaling.Signal {
	held := make(chan *signaling.Signal, 16)
	keep := func(m *signaling.Signal) bool {
		if m.Description != nil {
			held <- m
			return false
		}
		return true
	}
	s.filter.Store(&keep)
	return held
}

func handle(t *testing.T, s *side, m *signaling.Signal) {
	t.Helper()
	if err := s.link.Handle(m); err != nil {
		t.Fatal(err)
	}
}

func TestAttachingWhileAnOfferIsOutstandingIsFolded(t *testing.T) {
	a, b := connect(t, newFactory(t, Config{}), newFactory(t, Config{}))
	offers, answers := hold(a), hold(b)
	if err := a.link.Negotiate(); err != nil {
		t.Fatal(err)
	}
	first := <-offers
	var publishers []*Publisher
	for i := range 10 {
		p := NewPublisher(fmt.Sprint("origin", i))
		publishers = append(publishers, p)
		mustAttach(t, p, a.link)
	}
	publishers[9].DetachFrom(a.link)
	if len(offers) != 0 {
		t.Fatal("a second offer while the first is outstanding")
	}
	handle(t, b, first)
	firstAnswer := <-answers
	handle(t, a, firstAnswer)
	second := <-offers
	handle(t, a, firstAnswer) // a late copy must not pass for the second one's answer
	handle(t, b, second)
	handle(t, b, first)  // nor an old offer for a new one
	handle(t, b, second) // repeated: the same answer again
	secondAnswer := <-answers
	if again := <-answers; again.Description.SDP == "" || again == secondAnswer {
		t.Error("a repeated offer got no answer")
	}
	handle(t, a, secondAnswer)
	handle(t, a, secondAnswer)
	connected(t, a, b)
	for i, p := range publishers[:9] {
		stop := flow(p, 1)
		eventually(t, fmt.Sprint("packets of origin ", i), func() bool { return b.count(fmt.Sprint("origin", i)) > 3 })
		stop()
	}
	if len(offers) != 0 || len(answers) != 0 {
		t.Errorf("%d more offers, %d more answers", len(offers), len(answers))
	}
}

func TestStartingOverWithANewLink(t *testing.T) {
	f := newFactory(t, Config{})
	a, b := connect(t, f, f)
	if err := a.link.Negotiate(); err != nil {
		t.Fatal(err)
	}
	connected(t, a, b)
	quit := make(chan struct{})
	defer close(quit)
	toNew, toOld := make(chan *signaling.Signal, 256), make(chan *signaling.Signal, 256)
	newA := newSide(t, f, "anna", "bela", true, nil, toOld, quit)
	newB := newSide(t, f, "bela", "anna", false, nil, toNew, quit)
	p := NewPublisher("anna")
	mustAttach(t, p, newA.link)
	if err := newA.link.Negotiate(); err != nil {
		t.Fatal(err)
	}
	offer := <-toOld
	if err := b.link.Handle(offer); !errors.Is(err, ErrStartOver) {
		t.Fatalf("offer of a new connection: %v", err)
	}
	if newA.link.ID() == a.link.ID() {
		t.Error("two connections with one id")
	}
	handle(t, newB, offer)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case m := <-toOld:
				_ = newB.link.Handle(m)
			case m := <-toNew:
				_ = newA.link.Handle(m)
			case <-quit:
				return
			}
		}
	}()
	defer func() { _ = errors.Join(newA.link.Close(), newB.link.Close()) }()
	connected(t, newA, newB)
	stop := flow(p, 1)
	defer stop()
	eventually(t, "packets on the new link", func() bool { return newB.count("anna") > 5 })
}

func TestPanicInDeliverKeepsTheTrack(t *testing.T) {
	f := newFactory(t, Config{})
	subscribers := make(chan *Subscriber, 1)
	ready := make(chan struct{})
	toA, toB := make(chan *signaling.Signal, 256), make(chan *signaling.Signal, 256)
	a, err := f.NewLink(LinkConfig{RemoteID: "b", Offerer: true, Send: func(s *signaling.Signal) { toB <- s }})
	if err != nil {
		t.Fatal(err)
	}
	b, err := f.NewLink(LinkConfig{RemoteID: "a", Send: func(s *signaling.Signal) { toA <- s }, OnTrack: func(s *Subscriber) {
		subscribers <- s
		_ = s.Run(func(p *packet.Packet, _ time.Time) {
			if p.Number%2 == 0 {
				panic("even")
			}
		}, func(time.Time) int64 {
			select {
			case <-ready:
				return near
			default:
				return 0
			}
		})
	}})
	if err != nil {
		t.Fatal(err)
	}
	p := NewPublisher("anna")
	mustAttach(t, p, a)
	if err := a.Negotiate(); err != nil {
		t.Fatal(err)
	}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case s := <-toA:
				_ = a.Handle(s)
			case s := <-toB:
				_ = b.Handle(s)
			case <-quit:
				return
			}
		}
	}()
	defer func() {
		close(quit)
		<-done
	}()
	stop := flow(p, 1)
	defer stop()
	s := <-subscribers
	eventually(t, "packets before the clock is known", func() bool { return s.Counters().NoClock > 0 })
	close(ready)
	eventually(t, "packets in spite of panics", func() bool { c := s.Counters(); return c.Panics > 3 && c.Delivered > 3 })
	if c := s.Counters(); c.Unidentified != 0 || c.Malformed != 0 {
		t.Errorf("counters %+v", c)
	}
}

func TestReportedLossIsInTheStats(t *testing.T) {
	f := newFactory(t, Config{})
	l, err := f.NewLink(LinkConfig{RemoteID: "b", Offerer: true, Send: func(*signaling.Signal) {}})
	if err != nil {
		t.Fatal(err)
	}
	l.noteLoss(&rtcp.ReceiverReport{Reports: []rtcp.ReceptionReport{{FractionLost: 64}}})
	if s := l.Stats(); s.FractionLost != 0.25 || s.State != StateNew {
		t.Errorf("stats %+v", s)
	}
}

func TestConfigurationErrorsShowAtOnce(t *testing.T) {
	if _, err := NewFactory(Config{ICEServers: []signaling.ICEServer{{URLs: []string{"turn:example.org"}}}}); err == nil {
		t.Error("TURN without credentials")
	}
	f := newFactory(t, Config{ICEServers: []signaling.ICEServer{
		{URLs: []string{"turn:127.0.0.1:1?transport=tcp"}, Username: "u", Credential: "c"},
	}})
	if _, err := f.NewLink(LinkConfig{}); err == nil {
		t.Error("link without Send")
	}
	l, err := f.NewLink(LinkConfig{Send: func(*signaling.Signal) {}})
	if err != nil {
		t.Fatal(err)
	}
	if l.send == nil {
		t.Error("a relay over TCP may hold the writer")
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if _, err := f.NewLink(LinkConfig{Send: func(*signaling.Signal) {}}); !errors.Is(err, ErrClosed) {
		t.Errorf("link of a closed factory: %v", err)
	}
}
