// Package netsim is an impaired network in simulated time: it says when, and whether, a packet
// arrives that is sent at some moment. The same seed gives the same network.
//
// A Link is one direction between two ends. A packet passes its stages in the order in which a real
// one would: loss, delay with jitter, stalls. Each stage has random numbers of its own, so that links
// of one seed that differ in loss alone share their jitter.
package netsim

import (
	"math/rand/v2"
	"time"
)

// Conditions are what a link does to packets.
type Conditions struct {
	Delay   time.Duration // from end to end, the middle of the jitter
	Jitter  time.Duration // uniform: a packet takes Delay ± Jitter
	InOrder bool          // a packet never overtakes another one

	Loss        float64 // share of packets that are lost, 0 to 1
	BurstLength float64 // mean number of packets lost in a row; up to 1: each for itself
	BurstExact  bool    // all bursts have the same length, a whole number

	StallEvery time.Duration // 0: never; the first stall begins after one such time
	Stall      time.Duration // how long nothing arrives; what was held comes at its end
}

// Step sets conditions from a moment on.
type Step struct {
	At time.Duration
	Conditions
}

// Link is one direction of a network. One goroutine uses it.
type Link struct {
	steps []Step // those to come, in order
	now   Conditions
	loss  gilbert
	delay delay
	stall stall
}

// NewLink returns a link whose conditions follow the steps, which are in order of time; what is sent
// before the first one goes through unimpaired.
func NewLink(seed uint64, steps ...Step) *Link {
	return &Link{
		steps: steps,
		loss:  gilbert{random: rand.New(rand.NewPCG(seed, 1))},
		delay: delay{random: rand.New(rand.NewPCG(seed, 2))},
	}
}

// Send returns when the packet sent at a moment arrives, false when it is lost. Moments never go back.
func (l *Link) Send(at time.Duration) (arrival time.Duration, arrives bool) {
	for len(l.steps) > 0 && l.steps[0].At <= at {
		if l.steps[0].StallEvery != l.now.StallEvery {
			l.stall.from = l.steps[0].At
		}
		l.now = l.steps[0].Conditions
		l.steps = l.steps[1:]
	}
	lost := l.loss.next(&l.now)
	arrival = l.delay.next(at, &l.now) // lost ones draw too: the others keep their jitter
	arrival = l.stall.hold(arrival, &l.now)
	return arrival, !lost
}
