package device

import (
	"sync/atomic"
	"time"
)

const (
	mostSpan  = int64(time.Second / 2)
	worstSpan = int64(5 * time.Second)
	// clockSlack is how much faster or slower than the computer's clock a device may run: 1 / 2000.
	clockSlack = 2000
)

// punctuality measures how late callbacks come and how much they move at once. One callback writes,
// any goroutine reads the atomic fields.
type punctuality struct {
	earliest int64 // nanoseconds by which the most punctual callback was behind its frames
	before   int64 // moment of the callback before
	behind   int64 // by which that one was behind its frames
	catching bool  // callbacks make up for a late one
	moved    slidingMost
	lateBy   slidingMost
	late     atomic.Int64
	worst    atomic.Int64 // nanoseconds
	most     atomic.Int64 // frames
}

// called takes a callback at a moment (nanoseconds) that ended with so many frames in all. It is late
// when it comes more than a period after the time that its frames take since the earliest one. called
// tells whether it came in time: it is not late, and not one of those that follow a late one faster
// than their frames last.
func (p *punctuality) called(at, total int64, frames, period int, restarted bool) (inTime bool) {
	behind := at - total*int64(time.Second)/Rate
	p.most.Store(p.moved.add(at, mostSpan, int64(frames)))
	if restarted {
		p.earliest, p.before = behind, at
	}
	p.earliest = min(behind, p.earliest+(at-p.before)/clockSlack)
	p.before = at
	lateness := behind - p.earliest
	if lateness > max(int64(period), p.most.Load())*int64(time.Second)/Rate {
		p.late.Add(1)
		p.catching = true
		p.earliest = behind // frames that the device has lost don't make all that follow late
	} else if behind >= p.behind || restarted {
		p.catching = false
	}
	p.behind = behind
	p.worst.Store(p.lateBy.add(at, worstSpan, lateness))
	return !p.catching
}

// slidingMost is the most within the last one to two spans of time.
type slidingMost struct{ since, now, before int64 }

func (m *slidingMost) add(at, span, value int64) int64 {
	if at-m.since >= span {
		m.before = m.now
		if at-m.since >= 2*span {
			m.before = 0
		}
		m.since, m.now = at, 0
	}
	m.now = max(m.now, value)
	return max(m.now, m.before)
}
