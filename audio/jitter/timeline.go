package jitter

import (
	"sync/atomic"
	"time"
)

// Timeline plays one publication at positions that the caller names, so that packets which came
// late, but before their position was read, are in their place. One goroutine calls Frame, any may
// call the others.
type Timeline struct {
	inbox    Inbox
	late     atomic.Pointer[Inbox]
	source   *source
	counters counters
	recent   recent
	started  bool
}

// NewTimeline returns a timeline that keeps packets of at least span. The decoder stays the caller's.
func NewTimeline(span time.Duration, dec Decoder) *Timeline {
	t := &Timeline{}
	t.source = newSource(dec, int(span.Seconds()*sampleRate), &t.counters)
	return t
}

// Inbox returns the queue for packets.
func (t *Timeline) Inbox() *Inbox { return &t.inbox }

// Late returns a queue for another goroutine than that of Inbox, for packets that come on another way.
func (t *Timeline) Late() *Inbox {
	if late := t.late.Load(); late != nil {
		return late
	}
	t.late.CompareAndSwap(nil, &Inbox{})
	return t.late.Load()
}

// Stats returns the counters; the delays in it stay 0.
func (t *Timeline) Stats() Stats { return t.counters.stats(&t.inbox) }

// Frame fills one interleaved stereo frame of any size with the samples from room time firstSample
// on, silence when there are none. It never blocks, allocates or locks.
func (t *Timeline) Frame(pcm []float32, firstSample int64) {
	s := t.source
	if s.position() != firstSample {
		s.seek(firstSample)
	}
	t.drain(&t.inbox)
	if late := t.late.Load(); late != nil {
		t.drain(late)
	}
	for len(pcm) > 0 {
		n := min(len(pcm)/2, pieceSamples)
		s.fill(n)
		s.take(pcm[:2*n])
		pcm = pcm[2*n:]
		if t.started {
			s.account(n, &t.recent)
		}
	}
}

// drain stores what waits in an inbox.
func (t *Timeline) drain(from *Inbox) {
	for r, payload := from.next(); r != nil; r, payload = from.next() {
		t.started = true
		t.source.accept(r.number, r.first, r.samples, payload)
		from.done()
	}
}
