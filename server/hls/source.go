package hls

import (
	"context"
	"math"
	"sync/atomic"
)

const (
	ringSamples    = 1 << 19 // 10.9 s, what an encoder may be away for without loss
	maxFillSamples = sampleRate
	jitterSamples  = 2 // rounding of room time that is no hole
	maxRuns        = 16
)

// run is a stretch of program without holes.
type run struct {
	position   int64 // of its first sample, counted over everything the ring ever held
	roomSample int64 // room time of its first sample
}

// source is a single-producer single-consumer ring of PCM. What the consumer has read stays there,
// to be read again, until it is released. All positions count samples since the ring was made.
type source struct {
	pcm     []float32
	written atomic.Int64 // end of what was written
	kept    atomic.Int64 // what lies before is released
	runs    chan run     // starts of runs, each sent before the samples that it announces
	wake    chan struct{}
	ended   atomic.Bool
	dropped atomic.Int64

	started bool  // producer only
	next    int64 // producer only: room sample that continues the run

	following *run // consumer only: the next run, once it is known
}

func newSource() *source {
	return &source{
		pcm:  make([]float32, ringSamples*channels),
		runs: make(chan run, maxRuns),
		wake: make(chan struct{}, 1),
	}
}

// write appends pcm, whose first sample is at roomSample.
func (s *source) write(pcm []float32, roomSample int64) {
	n := int64(len(pcm) / channels)
	if n == 0 || s.ended.Load() {
		return
	}
	hole := int64(0)
	switch d := roomSample - s.next; {
	case !s.started || d > maxFillSamples || d < -maxFillSamples:
		if !s.fits(n) || !s.startRun(roomSample) {
			s.dropped.Add(n)
			return
		}
	case d > jitterSamples:
		hole = d
	case d < -jitterSamples: // an overlap: what is there already wins
		if -d >= n {
			return
		}
		pcm, n = pcm[-d*channels:], n+d
	}
	if !s.fits(hole + n) {
		s.dropped.Add(n)
		return
	}
	at := s.written.Load()
	s.fill(at, hole)
	s.put(at+hole, pcm)
	s.next += hole + n
	s.written.Store(at + hole + n)
	s.notify()
}

func (s *source) fits(n int64) bool { return s.written.Load()+n-s.kept.Load() <= ringSamples }

// startRun announces a run at the present end of the ring.
func (s *source) startRun(roomSample int64) bool {
	select {
	case s.runs <- run{position: s.written.Load(), roomSample: roomSample}:
		s.started, s.next = true, roomSample
		return true
	default:
		return false
	}
}

// fill writes n samples of silence.
func (s *source) fill(at, n int64) {
	for i := at * channels; i < (at+n)*channels; i++ {
		s.pcm[i&(ringSamples*channels-1)] = 0
	}
}

// put writes pcm with values that every encoder accepts: finite and within full scale.
func (s *source) put(at int64, pcm []float32) {
	for i, v := range pcm {
		switch {
		case v > 1:
			v = 1
		case v < -1:
			v = -1
		case math.IsNaN(float64(v)):
			v = 0
		}
		s.pcm[(at*channels+int64(i))&(ringSamples*channels-1)] = v
	}
}

func (s *source) notify() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// end tells that nothing follows.
func (s *source) end() {
	s.ended.Store(true)
	s.notify()
}

// limit returns how far the present run can be read now, and whether it ends there.
func (s *source) limit() (position int64, final bool) {
	ended, written := s.ended.Load(), s.written.Load() // in this order: nothing is written after end
	if s.following == nil {
		select {
		case r := <-s.runs:
			s.following = &r
		default:
		}
	}
	if s.following != nil {
		return s.following.position, true
	}
	return written, ended
}

// read copies samples from position on; they must be written and not released.
func (s *source) read(pcm []float32, position int64) {
	at := int(position * channels & (ringSamples*channels - 1))
	n := copy(pcm, s.pcm[at:])
	copy(pcm[n:], s.pcm)
}

// keep releases everything before position.
func (s *source) keep(position int64) { s.kept.Store(position) }

// wait blocks until something was written or ended; it returns false when ctx ends first.
func (s *source) wait(ctx context.Context) bool {
	select {
	case <-s.wake:
		return true
	case <-ctx.Done():
		return false
	}
}

// nextRun waits for the next run; ok is false once the source or ctx has ended.
func (s *source) nextRun(ctx context.Context) (r run, ok bool) {
	for ctx.Err() == nil {
		_, final := s.limit()
		if s.following != nil {
			r, s.following = *s.following, nil
			s.keep(r.position)
			return r, true
		}
		if final || !s.wait(ctx) {
			break
		}
	}
	return run{}, false
}

// skip gives up what is left of r: the next run begins at what will be written next.
func (s *source) skip(r run) {
	if position, _ := s.limit(); s.following == nil {
		s.following = &run{position: position, roomSample: r.roomSample + position - r.position}
	}
}
