package congestion

import (
	"math/rand/v2"
	"testing"
	"time"
)

// bottleneck is a way of a certain rate with a queue that is bounded in time.
type bottleneck struct {
	bps    float64 // 0: no limit
	queue  time.Duration
	freeAt time.Time
	sent   int
	lost   int
}

// pass returns when a packet has left, or false when the queue is full.
func (b *bottleneck) pass(bytes int, at time.Time) (time.Time, bool) {
	b.sent++
	if b.bps == 0 {
		return at, true
	}
	if b.freeAt.Before(at) {
		b.freeAt = at
	}
	if b.freeAt.Sub(at) > b.queue {
		b.lost++
		return at, false
	}
	b.freeAt = b.freeAt.Add(time.Duration(float64(8*bytes) / b.bps * float64(time.Second)))
	return b.freeAt, true
}

// simulated is one sender with a link to the server and some to performers, behind one uplink.
type simulated struct {
	now      time.Time
	uplink   bottleneck
	down     []bottleneck // of each other side
	links    []*Link
	recorder []*Recorder
	control  *Controller
	asked    Asked
	decision Decision
	random   *rand.Rand
	jitter   time.Duration
	loss     float64
	skew     time.Duration // of the others' clocks
	pending  []arrival
	copies   int
	changes  int // of frame length and paths
	beside   time.Time
}

// What a performer sends besides its packets while its uplink is short, as it was counted on the line of real
// programs: feedback and reports on what it hears, connectivity checks, the clock, signaling; 21 kbit/s, of which
// asking for room time less often saves some.
const (
	besideEvery = 37500 * time.Microsecond
	besideBytes = 100
)

type arrival struct {
	link   int
	number uint16
	at     time.Time
}

func simulate(direct int, asked Asked, cfg Config) *simulated {
	s := &simulated{
		now: time.Unix(1_000_000, 0), beside: time.Unix(1_000_000, 0), control: NewController(cfg), asked: asked, random: rand.New(rand.NewPCG(1, 2)),
		down: make([]bottleneck, direct+1), skew: 77 * time.Minute,
		decision: Decision{BitrateBPS: asked.BitrateBPS, FrameSamples: asked.FrameSamples, Direct: direct},
	}
	for range direct + 1 {
		s.links, s.recorder = append(s.links, NewLink(s.now)), append(s.recorder, &Recorder{})
	}
	return s
}

// run goes on for a while; each is called after each decision.
func (s *simulated) run(t testing.TB, d time.Duration, each func()) {
	t.Helper()
	const step = 2500 * time.Microsecond
	until, tick, packet := s.now.Add(d), s.now, s.now
	for ; s.now.Before(until); s.now = s.now.Add(step) {
		for !packet.After(s.now) {
			s.send()
			packet = packet.Add(time.Duration(s.decision.FrameSamples) * time.Second / sampleRate)
		}
		for ; !s.beside.After(s.now); s.beside = s.beside.Add(besideEvery) {
			s.uplink.pass(besideBytes, s.now)
		}
		s.arrive(t)
		if s.now.Sub(tick) >= 100*time.Millisecond {
			tick = s.now
			s.decide()
			if each != nil {
				each()
			}
		}
	}
}

func (s *simulated) send() {
	payload := s.decision.BitrateBPS * s.decision.FrameSamples / sampleRate / 8
	for i, l := range s.links {
		if i > s.decision.Direct {
			continue
		}
		bytes := headerBytes + payload*(1+min(s.copies, s.decision.MaxCopies))
		number := l.Sent(bytes, s.now)
		at, ok := s.uplink.pass(bytes, s.now)
		if ok {
			at, ok = s.down[i].pass(bytes, at)
		}
		if ok && s.random.Float64() >= s.loss {
			at = at.Add(20*time.Millisecond + time.Duration(s.random.Float64()*float64(s.jitter)))
			s.pending = append(s.pending, arrival{i, number, at})
		}
	}
}

func (s *simulated) arrive(t testing.TB) {
	kept := s.pending[:0]
	for _, a := range s.pending {
		if a.at.After(s.now) {
			kept = append(kept, a)
			continue
		}
		s.recorder[a.link].Take(a.number, a.at.Add(s.skew))
	}
	s.pending = kept
	for i, r := range s.recorder {
		if r.Due(s.now.Add(s.skew), FeedbackEvery) {
			if err := s.links[i].Take(r.Append(nil, 1, 2, s.now.Add(s.skew)), s.now); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func (s *simulated) decide() {
	paths := make([]Path, len(s.links))
	for i, l := range s.links {
		paths[i] = Path{Server: i == 0, Paused: i > s.decision.Direct, Copies: s.copies, Report: l.Report(s.now)}
	}
	before := s.decision
	s.decision = s.control.Decide(paths, s.asked, s.now)
	if before.FrameSamples != s.decision.FrameSamples || before.Direct != s.decision.Direct {
		s.changes++
	}
	if s.decision.Rebase {
		for _, l := range s.links {
			l.Rebase(s.now)
		}
	}
}

var (
	voice = Asked{BitrateBPS: 96_000, FrameSamples: 240, MayRest: true}
	tone  = Asked{BitrateBPS: 192_000, FrameSamples: 240, MayRest: true}
	music = Asked{BitrateBPS: 192_000, FrameSamples: 240, Music: true, MayRest: true}
)

func TestUplinkThatShrinksAndReturns(t *testing.T) {
	for _, c := range []struct {
		name   string
		direct int
		asked  Asked
		queue  time.Duration
		jitter time.Duration
	}{
		{"voice, 1 direct path, long queue", 1, voice, 200 * time.Millisecond, 0},
		{"voice, 1 direct path, short queue", 1, voice, 50 * time.Millisecond, 0},
		{"voice, 1 direct path, short queue, jitter", 1, voice, 50 * time.Millisecond, 10 * time.Millisecond},
		{"voice, no direct path, short queue", 0, voice, 50 * time.Millisecond, 0},
		{"voice, 3 direct paths, short queue", 3, voice, 50 * time.Millisecond, 0},
		{"voice, 3 direct paths, long queue", 3, voice, 200 * time.Millisecond, 0},
		{"tone, 1 direct path, short queue", 1, tone, 50 * time.Millisecond, 0},
		{"tone, 3 direct paths, long queue", 3, tone, 200 * time.Millisecond, 0},
		{"music, 1 direct path, short queue", 1, music, 50 * time.Millisecond, 0},
		{"music, 1 direct path, short queue, jitter", 1, music, 50 * time.Millisecond, 10 * time.Millisecond},
		{"music, 1 direct path, long queue", 1, music, 200 * time.Millisecond, 0},
		{"music, 3 direct paths, long queue", 3, music, 200 * time.Millisecond, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := simulate(c.direct, c.asked, Config{})
			s.uplink = bottleneck{bps: 512_000, queue: c.queue}
			s.jitter = c.jitter
			s.run(t, 30*time.Second, nil)
			s.uplink.sent, s.uplink.lost = 0, 0
			sum, n := 0, 0
			s.run(t, 30*time.Second, func() { sum, n = sum+s.decision.BitrateBPS, n+1 })
			usual := float64(sum) / float64(n)
			if share := float64(s.uplink.lost) / float64(s.uplink.sent); share > 0.005 {
				t.Errorf("at 512 kbit/s %.1f %% are lost", 100*share)
			}
			s.uplink.bps = 96_000
			s.run(t, 3*time.Second, nil)
			s.uplink.sent, s.uplink.lost, s.changes = 0, 0, 0
			s.run(t, 30*time.Second, nil)
			loss := float64(s.uplink.lost) / float64(s.uplink.sent)
			if loss > 0.02 {
				t.Errorf("%.1f %% lost after 3 s at 96 kbit/s", 100*loss)
			}
			if s.changes > 2 {
				t.Errorf("packets or paths changed %d times in 30 s", s.changes)
			}
			low := s.decision
			s.uplink.bps = 512_000
			back, started := time.Duration(0), s.now
			s.run(t, 25*time.Second, func() {
				if back == 0 && float64(s.decision.BitrateBPS) >= 0.9*usual {
					back = s.now.Sub(started)
				}
			})
			t.Logf("usual %.0f, low %d/%d/%d, loss %.2f %%, back after %v, now %d/%d/%d", usual, low.BitrateBPS, low.FrameSamples, low.Direct,
				100*loss, back, s.decision.BitrateBPS, s.decision.FrameSamples, s.decision.Direct)
			if back == 0 || back > 15*time.Second {
				t.Errorf("back after %v", back)
			}
		})
	}
}
