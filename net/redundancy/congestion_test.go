package redundancy

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// narrow is a link that carries some times the rate of packets without copies, keeps so many of
// those waiting, and loses in addition.
func (l *link) narrow(capacity, room float64, lost loss) loss {
	waiting := 0.0
	return func(rng *rand.Rand) bool {
		waiting = max(0, waiting-capacity)
		size := float64(1 + l.controller.Depth())
		if waiting+size > room {
			return true
		}
		waiting += size
		return lost(rng)
	}
}

// Copies that fill a link until it loses packets are given up, and the loss with them.
func TestCopiesDoNotJamALink(t *testing.T) {
	for _, c := range []struct {
		capacity, raw float64 // loss at most, once settled
	}{
		{0.9, 0.15}, {1.2, 0.01}, {1.5, 0.01}, {1.9, 0.01}, {2.5, 0.01}, {2.9, 0.01},
	} {
		for _, room := range []float64{5, 20, 60} {
			for seed := range uint64(3) {
				t.Run(fmt.Sprintf("%v/%v/%d", c.capacity, room, seed), func(t *testing.T) {
					l := newLink(seed)
					l.run(30*time.Second, l.narrow(c.capacity, room, independent(0)))
					l.run(2*time.Second, l.narrow(c.capacity, room, independent(0.05)))
					for i := range 4 {
						residual, raw := l.run(30*time.Second, l.narrow(c.capacity, room, independent(0)))
						t.Logf("%d s: %d copies, raw loss %.2f %%, residual %.3f %%", 30*i+30, l.controller.Depth(), 100*raw, 100*residual)
						if i > 0 && raw > c.raw {
							t.Errorf("%.1f %% raw loss in the half minute from %d s on", 100*raw, 30*i)
						}
					}
					if c.capacity < 2 && l.controller.Depth() != 0 {
						t.Errorf("%d copies", l.controller.Depth())
					}
				})
			}
		}
	}
}

// Where the link loses packets whatever is sent, looking for the cause costs next to nothing.
func TestCopiesStayWhereTheyAreNotTheCause(t *testing.T) {
	for name, lost := range map[string]func() loss{
		"apart":       func() loss { return independent(0.05) },
		"in bursts":   func() loss { return inBursts(0.05, 4) },
		"of a third":  func() loss { return independent(0.35) },
		"less":        func() loss { return independent(0.03) },
		"in few runs": func() loss { return inBursts(0.02, 6) },
	} {
		for seed := range uint64(5) {
			l, lost := newLink(seed), lost()
			l.run(5*time.Second, lost)
			without, seconds := 0, 600
			for range seconds {
				l.run(time.Second, lost)
				if l.controller.Depth() == 0 {
					without++
				}
			}
			t.Logf("%s, seed %d: %d of %d s without copies, looks each %v", name, seed, without, seconds, l.controller.jam.pause)
			if without > seconds/40 {
				t.Errorf("%s, seed %d: %d of %d s without copies", name, seed, without, seconds)
			}
		}
	}
}

// Loss that stops during a look and comes back after it is not blamed on the copies for long.
func TestAWrongAnswerIsTakenBack(t *testing.T) {
	l := newLink(1)
	for range 200 {
		l.run(260*time.Millisecond, independent(0.05))
		if l.controller.jam.looking {
			break
		}
	}
	l.run(3*time.Second, independent(0))
	if c := l.controller; c.Depth() != 0 || !l.now.Before(c.jam.blocked) {
		t.Fatalf("%d copies after a look without loss", c.Depth())
	}
	l.run(4*time.Second, independent(0.05))
	if l.controller.Depth() == 0 {
		t.Error("no copies 4 s after the loss came back")
	}
}

func TestLimitIsKept(t *testing.T) {
	for _, most := range []int{0, 1, 2, 3} {
		l := newLink(2)
		l.controller.Limit(most)
		depth := 0
		for range 60 {
			l.run(time.Second, independent(0.25))
			depth = max(depth, l.controller.Depth())
		}
		if depth != most {
			t.Errorf("%d copies where %d are allowed", depth, most)
		}
	}
}
