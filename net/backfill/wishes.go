package backfill

import "time"

const (
	wishAge    = 1500 * time.Millisecond // beside the round trip, until a wish is taken for lost; twice that at most
	wishWait   = 15 * time.Second        // more, at most, that the pace of what comes explains
	leastPace  = 10.0                    // packets a second
	paceWeight = 0.5                     // of the last second
)

// wishes are numbers of one class that were asked for and are not there yet, in two generations: what
// is still in the older one when it ends is taken for lost and asked for again.
type wishes struct {
	young, old Set
	turned     time.Time
}

func (w *wishes) len() int64 { return w.young.Len() + w.old.Len() }

func (w *wishes) add(r Range) {
	for !w.young.Add(r) {
		w.young.FillOldest() // what is taken along is asked for early
	}
}

func (w *wishes) remove(r Range) {
	w.young.Remove(r)
	w.old.Remove(r)
}

func (w *wishes) clear() {
	w.young.Clear()
	w.old.Clear()
}

// turn begins a generation when the last one is so old, and returns the ranges of the one that ends,
// borrowed until the next call.
func (w *wishes) turn(age time.Duration, now time.Time) []Range {
	if now.Sub(w.turned) < age {
		return nil
	}
	w.turned = now
	ended := w.old
	w.old, w.young = w.young, ended
	w.young.Clear() // keeps its memory, which ended shares
	return ended.ranges
}

// answered takes numbers for answered: they came, or never will, or need not.
func (h *held) answered(r Range) {
	h.waiting.Remove(r)
	h.program.remove(r)
	h.archive.remove(r)
}

// forget takes everything for not asked for.
func (h *held) forget() {
	h.waiting.Clear()
	h.program.clear()
	h.archive.clear()
}

// expire takes wishes for lost that should have been answered by now.
func (q *Requester) expire(roundTrip time.Duration, now time.Time) {
	all := int64(0)
	for _, h := range q.order {
		all += h.waiting.Len()
	}
	for _, h := range q.order {
		for _, r := range h.program.turn(roundTrip+wishAge+q.explained(h.program.len(), now), now) {
			h.waiting.Remove(r)
		}
		for _, r := range h.archive.turn(roundTrip+wishAge+q.explained(all, now), now) {
			h.waiting.Remove(r)
		}
	}
}

// explained is how long so many packets take at the pace of the last seconds; nothing when none comes.
func (q *Requester) explained(packets int64, now time.Time) time.Duration {
	if now.Sub(q.progress) > wishAge {
		return 0
	}
	return time.Duration(min(float64(packets)/max(q.pace, leastPace), wishWait.Seconds()) * float64(time.Second))
}

// measure notes how many packets came in the time since the last call.
func (q *Requester) measure(passed time.Duration) {
	if passed > 0 && passed < 2*safeEvery {
		q.pace += paceWeight * (float64(q.stats.Packets-q.counted)/passed.Seconds() - q.pace)
	}
	q.counted = q.stats.Packets
}
