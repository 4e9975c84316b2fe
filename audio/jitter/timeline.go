package jitter

import "time"

// Timeline plays one publication at positions that the caller names, so that packets which came
// late, but before their position was read, are in their place. One goroutine calls Frame, any may
// call the others.
type Timeline struct {
	inbox    Inbox
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

// Stats returns the counters; the delays in it stay 0.
func (t *Timeline) Stats() Stats { return t.counters.stats(&t.inbox) }

// Frame fills one interleaved stereo frame of any size with the samples from room time firstSample
// on, silence when there are none. It never blocks, allocates or locks.
func (t *Timeline) Frame(pcm []float32, firstSample int64) {
	s := t.source
	if s.position() != firstSample {
		s.seek(firstSample)
	}
	for r, payload := t.inbox.next(); r != nil; r, payload = t.inbox.next() {
		t.started = true
		s.accept(r.number, r.first, r.samples, payload)
		t.inbox.done()
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
