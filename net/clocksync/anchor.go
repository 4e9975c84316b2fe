// Package clocksync lets every participant read the same room time: the server's monotonic clock,
// anchored to UTC once.
package clocksync

import "time"

// SampleRate is the rate at which room time counts samples.
const SampleRate = 48000

// Anchor is the server's room time: it never jumps, whatever happens to the wall clock.
type Anchor struct {
	origin time.Time
	roomNS int64 // at origin
}

// NewAnchor ties room time to the wall clock of now, which must carry a monotonic reading.
func NewAnchor(now time.Time) *Anchor { return ContinueAnchor(now, now.UnixNano()) }

// ContinueAnchor goes on with a room time, in nanoseconds, at now, which must carry a monotonic reading.
func ContinueAnchor(now time.Time, roomNS int64) *Anchor { return &Anchor{origin: now, roomNS: roomNS} }

// NowNS returns room time in nanoseconds since the Unix epoch.
func (a *Anchor) NowNS(now time.Time) int64 {
	return a.roomNS + now.Sub(a.origin).Nanoseconds()
}

// Sample returns room time in samples at 48 kHz since the Unix epoch.
func (a *Anchor) Sample(now time.Time) int64 { return SampleAt(a.NowNS(now)) }

// SampleAt converts nanoseconds of room time to samples at 48 kHz, without overflow until the year 2262.
func SampleAt(ns int64) int64 {
	const second = int64(time.Second)
	whole, rest := ns/second, ns%second
	return whole*SampleRate + rest*SampleRate/second
}

// NSAt converts samples at 48 kHz to nanoseconds of room time.
func NSAt(sample int64) int64 {
	whole, rest := sample/SampleRate, sample%SampleRate
	return whole*int64(time.Second) + rest*int64(time.Second)/SampleRate
}
