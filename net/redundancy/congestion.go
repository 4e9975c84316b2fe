package redundancy

import "time"

// What the search for loss that copies cause goes by.
const (
	effectAfter  = 600 * time.Millisecond // the reports until then are of what was sent before a change
	firstLook    = 30 * time.Second       // after the first copy, where loss goes on
	lookAgain    = 4                      // times later than before when a look found nothing
	lastLook     = 10 * time.Minute
	longestLook  = 6 * time.Second
	blockFirst   = 10 * time.Second // without a rise once copies turned out to be the cause
	blockLongest = 5 * time.Minute

	looksSuspect = 0.02 // raw loss that is looked into
	looksJammed  = 0.3  // raw loss that is looked into without any copy
	jump         = 0.1  // raw loss above twice what it was that is looked into at once
	jumpPackets  = 60   // such a ratio is taken of at least so many
	clearly      = 3    // times less loss is a clear answer
	answerRuns   = 8    // as many runs of losses would be expected until the answer is yes
	denyRuns     = 2    // as many came until it is no
	bearable     = 0.005
)

// congestion finds out whether a link loses packets because of the copies they carry: a link that is full
// loses more the more is sent, and then more copies would be asked for, without end. Loss that goes on is looked
// into by sending fewer copies for about a second. If it falls clearly, that stays so, and no rise
// follows for a while that doubles each time; if not, the next look waits for longer.
type congestion struct {
	changed   time.Time // when the number of copies last did
	skipped   int       // packets that reports after it were about, until they show its effect
	effect    time.Time // of the last report before those that do; zero: there is none yet
	reference float64   // raw loss before the last rise, or which turned out not to be the copies'

	looking       bool
	began         time.Time
	depth, spread int    // before the look
	before        Report // what was lost then
	forgiven      time.Time
	nextLook      time.Time
	pause         time.Duration

	limit   int // copies, always
	ceiling int // copies, until blocked is over
	blocked time.Time
	block   time.Duration
}

// Limit sets the number of copies that is never exceeded.
func (c *Controller) Limit(copies int) { c.jam.limit = min(max(copies, 0), maxDepth) }

// ratio is a number of a report's packets in proportion to those that were expected.
func (r *Report) ratio(packets int) float64 { return float64(packets) / float64(max(r.Expected, 1)) }

func (r *Report) runs() int { return r.Bursts[0] + r.Bursts[1] + r.Bursts[2] + r.Bursts[3] }

// allowed bounds a plan.
func (c *Controller) allowed(depth, spread int, now time.Time) (int, int) {
	depth = min(depth, c.jam.limit)
	if now.Before(c.jam.blocked) {
		depth = min(depth, c.jam.ceiling)
	}
	if c.jam.block > blockFirst && now.Sub(c.jam.changed) < soon {
		depth = min(depth, c.depth) // copies have been the cause before: one more only when it is known what this one does
	}
	if depth == 0 {
		return 0, 0
	}
	return depth, spread
}

// noteChange starts over with what the present number of copies leads to.
func (c *Controller) noteChange(before int, lost float64, now time.Time) {
	j := &c.jam
	if c.depth > before {
		if now.Sub(j.changed) > soon { // else the rise goes on
			j.reference = lost
		}
		if before == 0 {
			j.pause, j.nextLook = firstLook, now.Add(firstLook)
		}
	} else if c.depth == 0 && !j.looking { // nothing was lost with copies
		j.block = blockFirst
	}
	j.changed, j.skipped, j.effect = now, 0, time.Time{}
}

// look follows the loss that the present number of copies leads to. While it is true fewer copies are sent
// in order to learn from it, and no other decision is made.
func (c *Controller) look(r *Report, now time.Time) bool {
	j := &c.jam
	switch {
	case !j.effect.IsZero():
	case now.Sub(j.changed) >= effectAfter && j.skipped >= settleAfter:
		j.effect = now
		return j.looking
	default:
		j.skipped += r.Expected
		return j.looking
	}
	long, short := c.since(latest(j.effect, now.Add(-lately))), c.since(latest(j.effect, now.Add(-soon)))
	switch {
	case j.looking:
		c.conclude(now)
	case now.Before(j.blocked) && c.depth == j.ceiling:
		c.doubt(&long)
	case c.depth == 0:
	case short.Expected >= jumpPackets && short.ratio(short.RawLost) > 2*j.reference+jump:
		c.beginLook(&short, now)
	case !now.Before(j.nextLook) && long.runs() >= 2*answerRuns && long.ratio(long.RawLost) > looksSuspect:
		c.beginLook(&long, now)
	}
	return j.looking
}

// beginLook sends one copy less, or none where the link is as good as blocked.
func (c *Controller) beginLook(lost *Report, now time.Time) {
	j := &c.jam
	j.looking, j.began, j.before = true, now, *lost
	j.depth, j.spread = c.depth, c.spread
	if c.depth--; lost.ratio(lost.RawLost) > looksJammed {
		c.depth = 0
	}
	if c.depth == 0 {
		c.spread = 0
	}
	c.noteChange(j.depth, 0, now)
}

// conclude ends a look as soon as its outcome is clear.
func (c *Controller) conclude(now time.Time) {
	j := &c.jam
	found := c.since(j.effect)
	usual, usualRuns := j.before.ratio(j.before.RawLost), j.before.ratio(j.before.runs())
	less := clearly*float64(found.RawLost) < usual*float64(found.Expected)
	switch {
	case less && usualRuns*float64(found.Expected) >= answerRuns:
		if usual <= looksJammed && found.ratio(found.residual()) > max(bearable, j.before.ratio(j.before.residual())) {
			c.endLook(now) // they repair more than is lost because of them
			return
		}
		j.looking = false
		j.ceiling, j.blocked, j.block = c.depth, now.Add(j.block), min(2*j.block, blockLongest)
		c.calmSince = time.Time{}
		c.forget(j.effect)
	case !less && found.runs() >= denyRuns, now.Sub(j.began) > longestLook:
		c.endLook(now)
	}
}

// endLook goes back to the copies that were sent before a look that did not speak against them.
func (c *Controller) endLook(now time.Time) {
	j := &c.jam
	j.looking, j.reference = false, j.before.ratio(j.before.RawLost)
	c.depth, c.spread = j.depth, j.spread
	c.noteChange(c.depth, 0, now)
	j.pause, j.block = min(lookAgain*j.pause, lastLook), blockFirst
	j.nextLook, j.forgiven = now.Add(j.pause), now.Add(effectAfter)
	for i := range c.reports {
		if p := &c.reports[i]; p.at.After(j.began) {
			p.Missing = 0 // for the want of the copies
		}
	}
}

// doubt lets copies rise again where the loss comes back without them.
func (c *Controller) doubt(lost *Report) {
	j := &c.jam
	if lost.runs() >= answerRuns/2 && lost.ratio(lost.RawLost) > j.before.ratio(j.before.RawLost)/2 {
		j.blocked = time.Time{}
	}
}

// forget drops the reports until a moment.
func (c *Controller) forget(until time.Time) {
	for i := range c.reports {
		if r := &c.reports[i]; !r.at.After(until) {
			*r = timedReport{}
		}
	}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
