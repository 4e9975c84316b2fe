package netsim

import (
	"math/rand/v2"
	"time"
)

// gilbert loses packets after the model of Gilbert: a good state that loses none and a bad one that
// loses all (E. N. Gilbert, "Capacity of a burst-noise channel", 1960). With exact bursts the bad
// state lasts its mean time always.
type gilbert struct {
	random *rand.Rand
	bad    bool
	run    int // packets lost in the present burst
}

// next tells whether the next packet is lost.
func (g *gilbert) next(c *Conditions) bool {
	u := g.random.Float64()
	switch burst := c.BurstLength; {
	case c.Loss <= 0:
		g.bad = false
	case burst <= 1 || c.Loss >= 1:
		g.bad = u < c.Loss
	case g.bad && c.BurstExact:
		g.bad = g.run < int(burst)
	case g.bad:
		g.bad = u >= 1/burst
	default: // so often that the bad state has its share
		g.bad = u < c.Loss/(1-c.Loss)/burst
	}
	if g.run++; !g.bad {
		g.run = 0
	}
	return g.bad
}

// delay holds each packet for its time.
type delay struct {
	random *rand.Rand
	last   time.Duration // arrival of the latest packet
}

func (d *delay) next(at time.Duration, c *Conditions) time.Duration {
	deviation := (2*d.random.Float64() - 1) * float64(c.Jitter)
	arrival := at + max(0, c.Delay+time.Duration(deviation))
	if c.InOrder {
		arrival = max(arrival, d.last)
	}
	d.last = max(d.last, arrival)
	return arrival
}

// stall lets nothing arrive for a while, again and again, as Wi-Fi does while it scans for networks.
type stall struct{ from time.Duration }

func (s *stall) hold(arrival time.Duration, c *Conditions) time.Duration {
	if c.StallEvery <= 0 || arrival < s.from+c.StallEvery {
		return arrival
	}
	into := (arrival - s.from) % c.StallEvery
	if into < c.Stall {
		arrival += c.Stall - into
	}
	return arrival
}
