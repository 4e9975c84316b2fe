// Package netsim is an impaired network. The same seed gives the same network.
//
// A Link is one direction between two ends in simulated time: it says when, and whether, a packet
// arrives that is sent at some moment. A Path does that to real packets on the wall clock, a Relay to
// a real UDP or TCP port on this machine; package netns below builds worlds of network namespaces
// for whole programs, package nat the address translators that WebRTC connections are tested against.
//
// A packet passes its stages in the order in which it would pass a real network: the queue of the
// access line, loss, delay with jitter, overtaking and doubling, stalls. Each stage has random numbers
// of its own, so that links of one seed that differ in loss alone share their jitter.
package netsim

import (
	"math/rand/v2"
	"time"
)

// Conditions are what a link does to packets. The zero value lets everything through at once.
type Conditions struct {
	Delay   time.Duration // from end to end, the middle of the jitter
	Jitter  time.Duration // uniform: a packet takes Delay ± Jitter
	InOrder bool          // a packet never overtakes another one

	Loss        float64 // share of packets that are lost, 0 to 1; with LossInBurst and LossBetween: share of the bad state
	BurstLength float64 // mean number of packets lost in a row; up to 1: each for itself
	BurstExact  bool    // all bursts have the same length, a whole number
	LossInBurst float64 // share of packets lost in the bad state; 0: all of them
	LossBetween float64 // share of packets lost in the good state

	Duplicate float64       // share of packets that arrive twice
	Reorder   float64       // share of packets that are held back so that later ones overtake them
	ReorderBy time.Duration // how long those are held

	StallEvery time.Duration // 0: never; the first stall begins after one such time
	Stall      time.Duration // how long nothing arrives; what was held comes at its end

	RateBPS    int // bits a second that pass; 0: as many as are sent
	QueueBytes int // bytes that wait for the line, further packets are dropped; 0: 32 KiB

	Blackout   bool // nothing passes
	UDPBlocked bool // UDP does not pass; for relays that can tell
}

// Step sets conditions from a moment on.
type Step struct {
	At time.Duration
	Conditions
}

// Link is one direction of a network. One goroutine uses it.
type Link struct {
	steps  []Step // those to come, in order
	now    Conditions
	queue  queue
	loss   gilbert
	delay  delay
	repeat repeat
	stall  stall
}

// NewLink returns a link whose conditions follow the steps, which are in order of time; what is sent
// before the first one goes through unimpaired.
func NewLink(seed uint64, steps ...Step) *Link {
	return &Link{
		steps: steps,
		loss: gilbert{
			random:  rand.New(rand.NewPCG(seed, 1)),
			elliott: rand.New(rand.NewPCG(seed, 3)),
		},
		delay:  delay{random: rand.New(rand.NewPCG(seed, 2))},
		repeat: repeat{random: rand.New(rand.NewPCG(seed, 4))},
	}
}

// Set changes the conditions at a moment, which is not before the latest packet's. Steps still come.
func (l *Link) Set(at time.Duration, c Conditions) {
	l.follow(at)
	l.set(at, c)
}

// Send returns when the packet sent at a moment arrives, false when it is lost. Moments never go
// back. The packet has no size: a limited rate does not hold it.
func (l *Link) Send(at time.Duration) (arrival time.Duration, arrives bool) {
	arrivals, n := l.Pass(at, 0)
	return arrivals[0], n > 0
}

// Pass sends a packet of some bytes and returns when it arrives: not at all when it is lost, twice
// when it is doubled; arrivals[0] of a lost one is when it would have come. Moments never go back.
func (l *Link) Pass(at time.Duration, bytes int) (arrivals [2]time.Duration, n int) {
	l.follow(at)
	c := &l.now
	sent, fits := l.queue.pass(at, bytes, c)
	lost := l.loss.next(c)
	arrival := l.delay.next(sent, c) // lost ones draw too: the others keep their jitter
	arrival, twice := l.repeat.next(arrival, c)
	arrival = l.stall.hold(arrival, c)
	arrivals = [2]time.Duration{arrival, arrival}
	switch {
	case lost || !fits || c.Blackout:
		return arrivals, 0
	case twice:
		return arrivals, 2
	}
	return arrivals, 1
}

// follow takes the steps that are due.
func (l *Link) follow(at time.Duration) {
	for len(l.steps) > 0 && l.steps[0].At <= at {
		l.set(l.steps[0].At, l.steps[0].Conditions)
		l.steps = l.steps[1:]
	}
}

func (l *Link) set(at time.Duration, c Conditions) {
	if c.StallEvery != l.now.StallEvery {
		l.stall.from = at
	}
	l.queue.drain(at, &l.now)
	l.now = c
}
