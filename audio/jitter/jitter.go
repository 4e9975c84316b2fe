// Package jitter is the receiver's side of a publication: order, delay, decoding and concealment.
//
// A packet's way through it: Inbox.Push copies it into the queue of its path; the playout goroutine
// drains the queues into the source, which orders packets by number and room time, decodes each when
// its moment comes, and conceals what is missing. A Player reads the source with a delay that follows
// the network; a Timeline reads it at positions that the caller names.
package jitter

import (
	"sync/atomic"
	"time"
)

const (
	sampleRate       = 48000
	maxPacketSamples = 5760 // 120 ms
	maxPayload       = 1500
	maxNumber        = int64(1)<<40 - 1
	maxPosition      = int64(1) << 52
)

// Decoder turns packets into interleaved stereo PCM at 48 kHz.
type Decoder interface {
	// Decode writes the payload's samples to pcm and returns their number per channel.
	Decode(pcm []float32, payload []byte) (samples int, err error)
	// Conceal invents len(pcm)/2 samples after a loss.
	Conceal(pcm []float32) error
}

// Paths of a packet, for Player.Inbox.
const (
	PathDirect    = 0
	PathForwarded = 1
)

// Config is what a Player aims at. Zero fields take the default.
type Config struct {
	Initial    time.Duration // target delay before there is a measurement; 20 ms
	Min, Max   time.Duration // bounds of the target delay; 2 and 200 ms
	LateBudget float64       // share of packets that may come too late; 0.005
}

// withDefaults fills zero fields and puts the others into range.
func (c Config) withDefaults() Config {
	if c.Initial <= 0 {
		c.Initial = 20 * time.Millisecond
	}
	if c.Min <= 0 {
		c.Min = 2 * time.Millisecond
	}
	if c.Max <= 0 {
		c.Max = 200 * time.Millisecond
	}
	if !(c.LateBudget > 0 && c.LateBudget < 0.5) {
		c.LateBudget = 0.005
	}
	c.Max = min(c.Max, time.Second)
	c.Min = min(c.Min, c.Max)
	c.Initial = min(max(c.Initial, c.Min), c.Max)
	return c
}

// Stats are the counters of a Player or Timeline since its start and its present state.
type Stats struct {
	Received         [2]int64 // packets per path, duplicates included
	Duplicates       int64    // packets that the other path or the network had delivered before
	Late             int64    // packets that came after their moment
	Lost             int64    // packets that never came in time, late ones included
	Corrupt          int64    // packets that the decoder refused
	Invalid          int64    // packets with an impossible number, position or size
	Dropped          int64    // packets that found an inbox full
	PlayedSamples    int64    // all samples given out since the first packet
	ConcealedSamples int64    // of these, invented because packets were missing
	ConcealedRatio5s float64  // of the last 5 s, 0 to 1
	TargetDelay      time.Duration
	CurrentDelay     time.Duration // from the fastest packet's arrival to its playout
	Resyncs          int64         // jumps in the sender's positions or in the delay that were followed at once
	Stretched        int64         // samples inserted and dropped to follow the target delay
	LastArrival      time.Time     // zero before the first packet
}

// counters are Stats as the playout goroutine keeps them.
type counters struct {
	duplicates, late, lost, corrupt, invalid atomic.Int64
	played, concealed, resyncs, stretched    atomic.Int64
	target, current, ratio                   atomic.Int64 // ns, ns and millionths
}

func (c *counters) stats(inboxes ...*Inbox) Stats {
	s := Stats{
		Duplicates:       c.duplicates.Load(),
		Late:             c.late.Load(),
		Lost:             c.lost.Load(),
		Corrupt:          c.corrupt.Load(),
		Invalid:          c.invalid.Load(),
		PlayedSamples:    c.played.Load(),
		ConcealedSamples: c.concealed.Load(),
		ConcealedRatio5s: float64(c.ratio.Load()) / 1e6,
		TargetDelay:      time.Duration(c.target.Load()),
		CurrentDelay:     time.Duration(c.current.Load()),
		Resyncs:          c.resyncs.Load(),
		Stretched:        c.stretched.Load(),
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
