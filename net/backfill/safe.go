package backfill

import (
	"slices"
	"time"

	"gasso/net/clocksync"
)

// tellSafe writes what the app may forget, once a second for each publication with news.
func (q *Requester) tellSafe(now time.Time) bool {
	if passed := now.Sub(q.told); passed >= safeEvery {
		q.told = now
		q.measure(passed)
		q.unanswered = append(q.unanswered[:0], q.order...)
	}
	for len(q.unanswered) > 0 {
		h := q.unanswered[0]
		q.unanswered = q.unanswered[1:]
		q.a.Clear()
		h.book.Safe(&q.a)
		declined := false
		if !h.book.Kept() {
			declined = q.addLate(h, now)
		}
		if q.a.Empty() || q.a.Len() == h.safe {
			q.noteComplete(h)
			continue
		}
		h.safe = q.a.Len()
		for _, r := range q.a.Ranges() {
			h.answered(r) // the app sends none of them any more
		}
		d := durable{publication: h.have.Publication, declined: declined, ranges: q.a.Ranges()}
		q.message = d.append(q.message)
		return true
	}
	return false
}

// noteComplete finds out whether all that the app holds is in a, the safe numbers, or gone, and drops a
// publication that has ended then.
func (q *Requester) noteComplete(h *held) {
	next := h.have.First
	for next <= h.have.Last {
		end := max(q.a.reach(next), h.gone.reach(next))
		if end < next {
			break // missing
		}
		next = end + 1
	}
	h.complete = next > h.have.Last
	if h.complete && h.have.Ended {
		q.drop(h)
	}
}

// addLate adds what is too late for the program, where no archive wants it.
func (q *Requester) addLate(h *held, now time.Time) bool {
	number, sample := h.newest(q.roomSample(now))
	frame := int64(h.have.FrameSamples)
	late := q.roomSample(now) - clocksync.SampleAt(int64(q.cfg.ProgramDelay))
	if young := sample + frame - late; young > 0 {
		number -= (young + frame - 1) / frame
	}
	return q.a.Add(Range{h.have.First, number})
}

// makeRoom drops the complete publication of which nothing was told for the longest time; one that
// goes on is told again.
func (q *Requester) makeRoom() bool {
	var oldest *held
	for _, h := range q.order {
		if h.complete && (oldest == nil || h.heard.Before(oldest.heard)) {
			oldest = h
		}
	}
	if oldest == nil {
		return false
	}
	q.drop(oldest)
	return true
}

func (q *Requester) drop(h *held) {
	delete(q.publications, h.have.Publication)
	q.order = slices.DeleteFunc(q.order, func(other *held) bool { return other == h })
}
