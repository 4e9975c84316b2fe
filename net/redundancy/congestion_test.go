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
