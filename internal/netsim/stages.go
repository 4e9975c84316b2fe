package netsim

import (
	"math/rand/v2"
	"time"
)

const queueBytes = 32 << 10

// queue is the line into the network: packets wait until those before them are through, and are
// dropped when too much waits (tail drop).
type queue struct {
	waiting float64       // bytes
	at      time.Duration // when so much waited
	last    time.Duration // when the latest packet was through
}

// drain lets the line work up to a moment.
func (q *queue) drain(at time.Duration, c *Conditions) {
	if c.RateBPS <= 0 {
		q.waiting = 0
	} else {
		q.waiting = max(0, q.waiting-(at-q.at).Seconds()*float64(c.RateBPS)/8)
	}
	q.at = at
}

// pass returns when a packet is through, false when it is dropped.
func (q *queue) pass(at time.Duration, bytes int, c *Conditions) (time.Duration, bool) {
	if c.RateBPS <= 0 || bytes <= 0 || c.Blackout {
		return at, true
	}
	q.drain(at, c)
	limit := c.QueueBytes
	if limit <= 0 {
		limit = queueBytes
	}
	if q.waiting > 0 && q.waiting+float64(bytes) > float64(limit) {
		return at, false
	}
	q.waiting += float64(bytes)
	q.last = max(q.last, at+time.Duration(q.waiting*8/float64(c.RateBPS)*float64(time.Second)))
	return q.last, true
}

// gilbert loses packets after the model of Gilbert: a good state that loses none and a bad one that
// loses all (E. N. Gilbert, "Capacity of a burst-noise channel", 1960); with shares in both states
// after Elliott ("Estimates of error rates for codes on burst-noise channels", 1963). With exact
// bursts the bad state lasts its mean time always.
type gilbert struct {
	random  *rand.Rand
	elliott *rand.Rand
	bad     bool
	run     int // packets of the present bad state
}

// next tells whether the next packet is lost.
func (g *gilbert) next(c *Conditions) bool {
	bad, u := g.state(c), g.elliott.Float64()
	switch {
	case !bad:
		return u < c.LossBetween
	case c.LossInBurst > 0:
		return u < c.LossInBurst
	}
	return true
}

// state tells whether the next packet meets the bad state.
func (g *gilbert) state(c *Conditions) bool {
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

// repeat holds some packets back and doubles some.
type repeat struct{ random *rand.Rand }

func (r *repeat) next(arrival time.Duration, c *Conditions) (late time.Duration, twice bool) {
	held, doubled := r.random.Float64(), r.random.Float64()
	if held < c.Reorder {
		arrival += c.ReorderBy
	}
	return arrival, doubled < c.Duplicate
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
