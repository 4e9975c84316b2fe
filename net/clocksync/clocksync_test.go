package clocksync

import (
	"math/rand/v2"
	"testing"
	"time"
)

// world is a server clock that runs skew faster than the local one, behind a path with jitter.
type world struct {
	local  time.Time
	ahead  time.Duration
	skew   float64
	up     func() time.Duration
	down   func() time.Duration
	anchor *Anchor
	start  time.Time
}

func (w *world) server(local time.Time) int64 {
	t := local.Sub(w.start)
	return w.anchor.NowNS(w.start.Add(w.ahead + t + time.Duration(float64(t)*w.skew)))
}

func (w *world) ping(e *Estimator) {
	sent := w.local
	there := sent.Add(w.up())
	back := there.Add(w.down())
	e.Add(sent, back, w.server(there), w.server(there))
	w.local = back
}

func TestRoomTimeIsFoundThroughJitterAndSkew(t *testing.T) {
	for _, c := range []struct {
		name   string
		base   time.Duration
		jitter time.Duration
		skew   float64
		within time.Duration
	}{
		{"quiet", time.Millisecond, 0, 0, 50 * time.Microsecond},
		{"20±10 ms", 10 * time.Millisecond, 10 * time.Millisecond, 0, 2 * time.Millisecond},
		{"20±10 ms, 100 ppm", 10 * time.Millisecond, 10 * time.Millisecond, 100e-6, 2500 * time.Microsecond},
		{"1 ms, -200 ppm", time.Millisecond, 200 * time.Microsecond, -200e-6, time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(7, 9))
			start := time.Now()
			delay := func() time.Duration { return c.base + time.Duration(rnd.Float64()*float64(c.jitter)) }
			w := &world{local: start, start: start, ahead: 3 * time.Hour, skew: c.skew, anchor: NewAnchor(start), up: delay, down: delay}
			e := New()
			last, worst := int64(0), time.Duration(0)
			for i := range 300 {
				w.ping(e)
				for range 10 {
					w.local = w.local.Add(100 * time.Millisecond)
					room := e.RoomNS(w.local)
					if room <= last {
						t.Fatalf("room time ran backwards at ping %d", i)
					}
					last = room
					if err := time.Duration(room - w.server(w.local)); i > 60 {
						worst = max(worst, err, -err)
					}
				}
			}
			t.Logf("worst error after a minute %v, shortest round trip %v", worst, e.RTT())
			if worst > c.within {
				t.Errorf("error %v, want at most %v", worst, c.within)
			}
		})
	}
}

func TestSmallCorrectionsAreSlewedAndLargeOnesStepped(t *testing.T) {
	start := time.Now()
	e := New()
	e.Add(start, start.Add(10*time.Millisecond), int64(time.Second), int64(time.Second))
	before := e.RoomNS(start.Add(time.Second))
	e.Add(start.Add(time.Second), start.Add(time.Second+8*time.Millisecond), int64(2*time.Second+4*time.Millisecond), int64(2*time.Second+4*time.Millisecond))
	if jump := e.RoomNS(start.Add(time.Second)) - before; jump < -int64(time.Millisecond) || jump > int64(time.Millisecond) {
		t.Errorf("a correction of some milliseconds made room time jump by %v", time.Duration(jump))
	}
	far := int64(time.Hour)
	e.Add(start.Add(2*time.Second), start.Add(2*time.Second+4*time.Millisecond), far, far)
	if got := e.RoomNS(start.Add(2*time.Second+2*time.Millisecond)) - far; got < -int64(time.Millisecond) || got > int64(time.Millisecond) {
		t.Errorf("a step of an hour left an error of %v", time.Duration(got))
	}
}

func TestNegativeRoundTripIsIgnored(t *testing.T) {
	e := New()
	now := time.Now()
	e.Add(now, now.Add(time.Millisecond), 0, int64(time.Second))
	if e.Ready() || e.RoomNS(now) != 0 {
		t.Error("a ping that claims a negative round trip was believed")
	}
}

func TestSamplesAndNanosecondsAgree(t *testing.T) {
	for _, s := range []int64{0, 1, 47999, 48000, 84_480_000_000_001} {
		if got := SampleAt(NSAt(s) + 1); got != s && got != s+1 {
			t.Errorf("sample %d came back as %d", s, got)
		}
	}
}
