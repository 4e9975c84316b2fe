// Package jitter is the receiver's side of a publication: order, delay, decoding and concealment.
package jitter

import "time"

// Decoder turns packets into interleaved stereo PCM at 48 kHz.
type Decoder interface {
	// Decode writes the payload's samples to pcm and returns their number per channel.
	Decode(pcm []float32, payload []byte) (samples int, err error)
	// Conceal invents len(pcm)/2 samples after a loss; the length is a multiple of 2.5 ms.
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

// Stats are a Player's counters since its start and its present state.
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
	Stretched        int64         // samples inserted and dropped by cross-fade
	LastArrival      time.Time
}

// Inbox is a bounded queue of packets of one path: one goroutine pushes, the Player's drains.
type Inbox struct{}

// Push copies a packet into the queue. It never blocks; what does not fit is dropped and counted.
func (i *Inbox) Push(number, firstSample int64, samples int, payload []byte, arrival time.Time) {}

// Player plays one publication with a delay that follows the network. One goroutine calls Frame, any
// may call the others.
type Player struct{}

// NewPlayer returns a player. The decoder belongs to it, and is closed by nobody but its maker.
func NewPlayer(cfg Config, dec Decoder) *Player { return &Player{} }

// Inbox returns the queue of a path, PathDirect or PathForwarded.
func (p *Player) Inbox(path int) *Inbox { return &Inbox{} }

// Frame fills one interleaved stereo frame of any size with what is to be heard next, silence when
// there is nothing. It never blocks, allocates or locks.
func (p *Player) Frame(pcm []float32, now time.Time) {}

// SetTarget changes the aims.
func (p *Player) SetTarget(cfg Config) {}

// Stats returns the counters.
func (p *Player) Stats() Stats { return Stats{} }
