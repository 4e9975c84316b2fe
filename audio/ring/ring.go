// Package ring is a lock-free ring of float32 frames between one producer and one consumer.
package ring

import (
	"sync/atomic"
	"time"
)

// Ring carries PCM from one producer goroutine (Write) to one consumer goroutine (Read and Skip).
// A frame here is one sample of each channel. No call allocates, locks or blocks.
type Ring struct {
	buffer   []float32
	mask     int64 // capacity in frames minus one
	channels int

	_       [64]byte     // keeps the two positions on cache lines of their own
	written atomic.Int64 // frames since the start; moved by the producer
	_       [56]byte
	read    atomic.Int64 // frames since the start; moved by the consumer
	_       [56]byte
	dropped atomic.Int64 // frames that did not fit
}

// New returns a ring for at least capacity frames, rounded up to a power of two, of so many channels.
func New(capacity, channels int) *Ring {
	size := 1
	for size < capacity {
		size <<= 1
	}
	return &Ring{buffer: make([]float32, size*channels), mask: int64(size - 1), channels: channels}
}

// Write copies interleaved frames in and returns how many fitted. What does not fit is dropped and
// counted. Only the producer may call it.
func (r *Ring) Write(pcm []float32) int {
	frames := len(pcm) / r.channels
	at := r.written.Load()
	n := min(frames, r.Cap()-int(at-r.read.Load()))
	first := int(at&r.mask) * r.channels
	copied := copy(r.buffer[first:], pcm[:n*r.channels])
	copy(r.buffer, pcm[copied:n*r.channels])
	r.written.Store(at + int64(n))
	if n < frames {
		r.dropped.Add(int64(frames - n))
	}
	return n
}

// Read copies up to len(pcm)/Channels() frames out and returns how many. Only the consumer may call it.
func (r *Ring) Read(pcm []float32) int {
	at := r.read.Load()
	n := min(len(pcm)/r.channels, int(r.written.Load()-at))
	first := int(at&r.mask) * r.channels
	copied := copy(pcm[:n*r.channels], r.buffer[first:])
	copy(pcm[copied:n*r.channels], r.buffer)
	r.read.Store(at + int64(n))
	return n
}

// Skip throws away up to so many frames and returns how many. Only the consumer may call it.
func (r *Ring) Skip(frames int) int {
	at := r.read.Load()
	n := max(0, min(frames, int(r.written.Load()-at)))
	r.read.Store(at + int64(n))
	return n
}

// Len is the number of frames that can be read. Any goroutine may ask; the answer is exact only for
// the consumer as a floor and for the producer as a ceiling.
func (r *Ring) Len() int {
	read := r.read.Load() // first, so that the difference is never negative
	return int(r.written.Load() - read)
}

// Cap is the number of frames that fit.
func (r *Ring) Cap() int { return int(r.mask) + 1 }

// Channels is the number of samples in a frame.
func (r *Ring) Channels() int { return r.channels }

// Dropped is the number of frames that Write could not place since the start.
func (r *Ring) Dropped() int64 { return r.dropped.Load() }

// Stamp ties a ring to time: how many frames its producer had moved since it started at the moment At,
// the end of the newest device callback. At carries a monotonic reading.
type Stamp struct {
	Frames int64
	At     time.Time
}
