package jitter

import (
	"sync/atomic"
	"time"
)

const outlooks = 8 // delays that Stats compares

// Stats are the counters of a Player or Timeline since its start and its present state.
type Stats struct {
	Received         [2]int64 // packets per path, duplicates included
	Paths            [2]PathStats
	Duplicates       int64   // packets that the other path or the network had delivered before
	Late             int64   // packets that came after their moment
	Lost             int64   // packets that never came in time, late ones included
	Recovered        int64   // of the lost, those that the packet behind them held a copy of
	Corrupt          int64   // packets that the decoder refused
	Invalid          int64   // packets with an impossible number, position or size
	Dropped          int64   // packets that found an inbox full
	PlayedSamples    int64   // all samples given out since the first packet
	ConcealedSamples int64   // of these, invented because packets were missing
	ConcealedRatio5s float64 // of the last 5 s, 0 to 1
	TargetDelay      time.Duration
	CurrentDelay     time.Duration // from the fastest packet's arrival to its playout
	Outlook          [outlooks]Outlook
	Resyncs          int64     // jumps in the sender's positions or in the delay that were followed at once
	Stretches        int64     // times that the signal was cut or repeated to follow the target delay
	Stretched        int64     // samples inserted and dropped to follow the target delay, glides included
	LastArrival      time.Time // zero before the first packet
}

// PathStats are the state of one path in the last seconds.
type PathStats struct {
	Jitter    time.Duration // mean deviation of the time under way (RFC 3550, 6.4.1)
	BaseDelay time.Duration // of its fastest packet over that of the faster path
	Need      time.Duration // the delay that would cover this path alone; 0 when it brings nothing
}

// Outlook is what another target delay would have cost in the last seconds. Entries that say nothing are zero.
type Outlook struct {
	Delay     time.Duration
	LostRatio float64 // share of the sound that would not have been there in time, 0 to 1
}

// Residual counts packets that were missing at their moment after everything: second path, redundancy,
// retransmission. Bursts counts losses of 1, 2, 3 to 4, and 5 or more packets in a row.
type Residual struct {
	Expected, Missing int64
	Bursts            [4]int64
}

// counters are Stats as the playout goroutine keeps them.
type counters struct {
	duplicates, late, lost, recovered, corrupt, invalid atomic.Int64
	played, concealed, resyncs, stretches, stretched    atomic.Int64
	target, current, ratio                              atomic.Int64 // ns, ns and millionths
	expected                                            atomic.Int64
	bursts                                              [4]atomic.Int64
	paths                                               [2]struct{ jitter, base, need atomic.Int64 } // ns
	outlook                                             [outlooks]struct{ delay, ratio atomic.Int64 }
}

func (c *counters) stats(inboxes ...*Inbox) Stats {
	s := Stats{
		Duplicates:       c.duplicates.Load(),
		Late:             c.late.Load(),
		Lost:             c.lost.Load(),
		Recovered:        c.recovered.Load(),
		Corrupt:          c.corrupt.Load(),
		Invalid:          c.invalid.Load(),
		PlayedSamples:    c.played.Load(),
		ConcealedSamples: c.concealed.Load(),
		ConcealedRatio5s: float64(c.ratio.Load()) / 1e6,
		TargetDelay:      time.Duration(c.target.Load()),
		CurrentDelay:     time.Duration(c.current.Load()),
		Resyncs:          c.resyncs.Load(),
		Stretches:        c.stretches.Load(),
		Stretched:        c.stretched.Load(),
	}
	for i := range s.Paths {
		p := &c.paths[i]
		s.Paths[i] = PathStats{time.Duration(p.jitter.Load()), time.Duration(p.base.Load()), time.Duration(p.need.Load())}
	}
	for i := range s.Outlook {
		o := &c.outlook[i]
		s.Outlook[i] = Outlook{time.Duration(o.delay.Load()), float64(o.ratio.Load()) / 1e6}
	}
	for path, i := range inboxes {
		s.Received[path] = i.received.Load()
		s.Dropped += i.dropped.Load()
		s.Invalid += i.invalid.Load()
		if at := i.lastArrival(); at.After(s.LastArrival) {
			s.LastArrival = at
		}
	}
	return s
}

// settled counts a packet that was there and how many before it were not.
func (c *counters) settled(missing int64) {
	c.expected.Add(missing + 1)
	c.lost.Add(missing)
	switch {
	case missing == 0:
	case missing <= 2:
		c.bursts[missing-1].Add(1)
	case missing <= 4:
		c.bursts[2].Add(1)
	default:
		c.bursts[3].Add(1)
	}
}

func (c *counters) residual() Residual {
	r := Residual{Expected: c.expected.Load(), Missing: c.lost.Load()}
	for i := range r.Bursts {
		r.Bursts[i] = c.bursts[i].Load()
	}
	return r
}

// recent is the concealed share of the last 5 s, in ten pieces.
type recent struct {
	played, concealed [10]int64
	at                int
}

// add counts samples and returns the share in millionths.
func (r *recent) add(played, concealed int64) int64 {
	if r.played[r.at] >= sampleRate/2 {
		r.at = (r.at + 1) % len(r.played)
		r.played[r.at], r.concealed[r.at] = 0, 0
	}
	r.played[r.at] += played
	r.concealed[r.at] += concealed
	var p, c int64
	for i := range r.played {
		p += r.played[i]
		c += r.concealed[i]
	}
	if p == 0 {
		return 0
	}
	return min(c, p) * 1e6 / p
}
