package peer

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gasso/net/packet"
	"gasso/net/signaling"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 15 * time.Second

// eventually polls real sockets and timers, which pion runs on.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("no %s within %v", what, patience)
}

func newFactory(t *testing.T, cfg Config) *Factory {
	t.Helper()
	cfg.Loopback = true
	f, err := NewFactory(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Errorf("close factory: %v", err)
		}
	})
	return f
}

// side is one end of a connection, with what it received.
type side struct {
	t      *testing.T
	link   *Link
	inbox  chan *signaling.Signal
	filter atomic.Pointer[func(*signaling.Signal) bool] // false: the signal that this side sends gets lost
	errs   atomic.Pointer[error]

	mu       sync.Mutex
	received map[string][]packet.Packet // by stream id
	subs     []*Subscriber
	states   []State
}

// near is room time in the tests: the samples that makePacket counts from.
const near = int64(1_800_000_000) * packet.SampleRate

func (s *side) onTrack(sub *Subscriber) {
	s.mu.Lock()
	s.subs = append(s.subs, sub)
	s.mu.Unlock()
	err := sub.Run(func(p *packet.Packet, _ time.Time) {
		kept := *p
		kept.Payload = append([]byte(nil), p.Payload...)
		s.mu.Lock()
		s.received[sub.StreamID()] = append(s.received[sub.StreamID()], kept)
		s.mu.Unlock()
	}, func(time.Time) int64 { return near })
	if err != nil {
		s.t.Errorf("subscriber of %s: %v", sub.StreamID(), err)
	}
}

func (s *side) packets(streamID string) []packet.Packet {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]packet.Packet(nil), s.received[streamID]...)
}

func (s *side) count(streamID string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.received[streamID])
}

func (s *side) state() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.states) == 0 {
		return StateNew
	}
	return s.states[len(s.states)-1]
}

func newSide(t *testing.T, f *Factory, local, remote string, offerer bool, channels []ChannelConfig, to chan<- *signaling.Signal, quit <-chan struct{}) *side {
	t.Helper()
	s := &side{t: t, received: map[string][]packet.Packet{}, inbox: make(chan *signaling.Signal, 1024)}
	link, err := f.NewLink(LinkConfig{
		LocalID: local, RemoteID: remote, Offerer: offerer, Channels: channels,
		Send: func(m *signaling.Signal) {
			if keep := s.filter.Load(); keep != nil && !(*keep)(m) {
				return
			}
			select {
			case to <- m:
			case <-quit:
			}
		},
		OnTrack: s.onTrack,
		OnState: func(state State) {
			s.mu.Lock()
			s.states = append(s.states, state)
			s.mu.Unlock()
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.link = link
	return s
}

// connect joins two factories with an in-memory signaling path; a offers.
func connect(t *testing.T, fa, fb *Factory) (a, b *side) {
	t.Helper()
	return connectWith(t, fa, fb, nil, nil)
}

// connectWith is connect with data channels.
func connectWith(t *testing.T, fa, fb *Factory, ofA, ofB []ChannelConfig) (a, b *side) {
	t.Helper()
	quit := make(chan struct{})
	toA, toB := make(chan *signaling.Signal, 1024), make(chan *signaling.Signal, 1024)
	first := "anna"
	if fa.cfg.Mux != nil {
		first = signaling.ServerID
	}
	a = newSide(t, fa, first, "bela", true, ofA, toB, quit)
	b = newSide(t, fb, "bela", first, false, ofB, toA, quit)
	var wg sync.WaitGroup
	pump := func(from <-chan *signaling.Signal, s *side) {
		for {
			select {
			case m := <-from:
				if err := s.link.Handle(m); err != nil && !errors.Is(err, ErrClosed) {
					s.errs.Store(&err)
				}
			case <-quit:
				return
			}
		}
	}
	wg.Go(func() { pump(toA, a) })
	wg.Go(func() { pump(toB, b) })
	t.Cleanup(func() {
		for _, s := range []*side{a, b} {
			if err := s.link.Close(); err != nil {
				t.Errorf("close link: %v", err)
			}
			if err := s.errs.Load(); err != nil {
				t.Errorf("handle signal: %v", *err)
			}
		}
		close(quit)
		wg.Wait()
	})
	return a, b
}

// makePacket makes packet n of a generation, 5 ms of CELT in stereo.
func makePacket(generation uint8, n int64) *packet.Packet {
	payload := fmt.Appendf([]byte{0xec}, "packet %d of generation %d", n, generation)
	return &packet.Packet{
		Generation: generation, Number: n, FirstSample: near + 240*n, Samples: 240, Payload: payload,
	}
}

func mustAttach(t *testing.T, p *Publisher, l *Link) {
	t.Helper()
	if err := p.AttachTo(l); err != nil {
		t.Fatal(err)
	}
}

// publishing is a connection over which a publisher of a sends to b.
func publishing(t *testing.T) (a, b *side, p *Publisher) {
	t.Helper()
	a, b = connect(t, newFactory(t, Config{}), newFactory(t, Config{}))
	p = NewPublisher("anna")
	mustAttach(t, p, a.link)
	if err := a.link.Negotiate(); err != nil {
		t.Fatal(err)
	}
	connected(t, a, b)
	return a, b, p
}

// flow writes packets of one publisher every 5 ms from a goroutine until stop.
func flow(p *Publisher, generation uint8) (stop func() int64) {
	quit, done := make(chan struct{}), make(chan int64)
	go func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		n := int64(0)
		for {
			select {
			case <-tick.C:
				_ = p.Write(makePacket(generation, n))
				n++
			case <-quit:
				done <- n
				return
			}
		}
	}()
	return func() int64 {
		close(quit)
		return <-done
	}
}

func connected(t *testing.T, sides ...*side) {
	t.Helper()
	for _, s := range sides {
		eventually(t, "connection", func() bool { return s.link.Stats().State == StateConnected })
	}
}
