// Package jitter is the receiver's side of a publication: order, delay, decoding and concealment.
//
// A packet's way through it: Inbox.Push copies it into the queue of its path; the playout goroutine
// drains the queues into the source, which orders packets by number and room time, decodes each when
// its moment comes, and conceals what is missing. A Player reads the source with a delay that follows
// the network; a Timeline reads it at positions that the caller names.
package jitter

import "time"

const (
	sampleRate       = 48000
	maxPacketSamples = 5760 // 120 ms
	maxPayload       = 1500
	maxNumber        = int64(1)<<40 - 1
	maxPosition      = int64(1) << 52
	longestDelay     = 400 * time.Millisecond
)

// Decoder turns packets into interleaved stereo PCM at 48 kHz.
type Decoder interface {
	// Decode writes the payload's samples to pcm and returns their number per channel.
	Decode(pcm []float32, payload []byte) (samples int, err error)
	// Conceal invents len(pcm)/2 samples after a loss.
	Conceal(pcm []float32) error
	// Recover writes the len(pcm)/2 samples of a missing packet from the copy that the packet behind it
	// carries. Without one it fails and changes nothing.
	Recover(pcm []float32, next []byte) error
}

// Paths of a packet, for Player.Inbox.
const (
	PathDirect    = 0
	PathForwarded = 1
)

// Coverage says which of two paths the target delay covers.
type Coverage int

// The two choices.
const (
	CoverFaster Coverage = iota // what comes first decides: the least delay, a path's end costs one stretch
	CoverSlower                 // each path alone must be in time: a path's end costs nothing
)

// Config is what a Player aims at. Zero fields take the default.
type Config struct {
	Initial    time.Duration // target delay before there is a measurement; 20 ms
	Min, Max   time.Duration // bounds of the target delay; 0.5 and 200 ms
	LateBudget float64       // share of the sound that may be lost because packets come too late; 0.005
	Cover      Coverage
	FEC        bool // packets carry copies of the one before (Opus in-band FEC): use them
}

// Studio is for a wire and a quiet network: least delay, at the price of a click now and then.
func Studio() Config {
	return Config{Initial: 1500 * time.Microsecond, Min: 500 * time.Microsecond, Max: 60 * time.Millisecond, LateBudget: 0.01}
}

// Live is for playing together over the internet.
func Live() Config {
	return Config{Initial: 5 * time.Millisecond, Min: 500 * time.Microsecond, Max: 120 * time.Millisecond, LateBudget: 0.0028}
}

// Safe is for speech and bad networks: no gaps, at the price of delay. FEC is set when the publication has it.
func Safe() Config {
	return Config{Initial: 6 * time.Millisecond, Min: 2 * time.Millisecond, Max: 400 * time.Millisecond, LateBudget: 0.001, Cover: CoverSlower}
}

// withDefaults fills zero fields and puts the others into range.
func (c Config) withDefaults() Config {
	if c.Initial <= 0 {
		c.Initial = 20 * time.Millisecond
	}
	if c.Min <= 0 {
		c.Min = 500 * time.Microsecond
	}
	if c.Max <= 0 {
		c.Max = 200 * time.Millisecond
	}
	if !(c.LateBudget > 0 && c.LateBudget < 0.5) {
		c.LateBudget = 0.005
	}
	c.Max = min(c.Max, longestDelay)
	c.Min = min(c.Min, c.Max)
	c.Initial = min(max(c.Initial, c.Min), c.Max)
	return c
}
