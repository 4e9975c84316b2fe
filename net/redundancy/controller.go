package redundancy

import (
	"math"
	"time"
)

// What the controller goes by.
const (
	soon         = 2 * time.Second  // window of what calls for more protection
	lately       = 10 * time.Second // window of what the plan is made of
	longer       = 30 * time.Second // of how losses follow each other, since runs are few
	remembered   = 128              // reports
	fewPackets   = 1000             // a ratio is taken of at least so many
	aim          = 0.001            // residual loss that is let be
	worthACopy   = 0.004            // residual loss of a packet's whole way for which one copy more is sent
	stay         = 0.6              // times that, for which a copy that is sent stays
	worthAStep   = 0.1              // of the lost packets repaired by one packet more of distance
	chanceRuns   = 1.5              // times the runs that losses apart from each other would have
	longestKnown = 6                // packets in a run that reports tell apart
	holdFirst    = 5 * time.Second  // less would do for that long before a step down
	holdLongest  = 2 * time.Minute
	relapse      = 30 * time.Second // a rise so soon after a step down doubles the hold
)

// Report is what a receiver counted on one link since its report before, in packets.
type Report struct {
	Expected int
	Missing  int    // not there at their moment, whatever was done
	RawLost  int    // did not come by themselves on this link; a copy or another path may have stood in
	Bursts   [4]int // runs of raw losses by their length: 1, 2, 3 or 4, 5 and more
}

func (r *Report) add(o *Report) {
	r.Expected += o.Expected
	r.Missing += o.Missing
	r.RawLost += o.RawLost
	for i, n := range o.Bursts {
		r.Bursts[i] += n
	}
}

// residual is the number of packets that were missed because the link lost them. What came too
// late is not among them: a copy comes later still.
func (r *Report) residual() int { return min(r.Missing, r.RawLost) }

// Controller decides how many redundant copies a link's packets carry and how far back they reach. It
// aims at a residual loss of 0.1 %, with as few copies as that takes: each is as much data again,
// and what it repairs comes later. It rises at the first report that says so, and steps down slowly
// once the link itself loses less, not when the copies have made up for it.
type Controller struct {
	reports [remembered]timedReport
	next    int

	depth, spread int
	calmSince     time.Time // less would do since then; zero: it would not
	lowered       time.Time
	hold          time.Duration
	worth         float64 // residual loss of this line for which one copy more is sent
	jam           congestion
}

type timedReport struct {
	at time.Time // zero: none
	Report
}

// NewController starts without copies. lines is how many lines the packets pass one after the other, of which
// this is one: what they lose adds up, and no line makes up for what one before it lost.
func NewController(lines int) *Controller {
	return &Controller{hold: holdFirst, worth: worthACopy / float64(max(lines, 1)), jam: congestion{limit: maxDepth, block: blockFirst}}
}

// Depth is the number of copies that each packet carries, 0 to 3.
func (c *Controller) Depth() int { return c.depth }

// Spread is the distance of the oldest copy in packets, at least Depth.
func (c *Controller) Spread() int { return c.spread }

// Update takes a report, of which about four come a second.
func (c *Controller) Update(r Report, now time.Time) {
	if now.Before(c.jam.forgiven) {
		r.Missing = 0
	}
	c.reports[c.next] = timedReport{now, r}
	c.next = (c.next + 1) % remembered
	if c.look(&r, now) {
		return
	}
	c.decide(now)
}

func (c *Controller) decide(now time.Time) {
	short, long := c.since(now.Add(-soon)), c.since(now.Add(-lately))
	runs := c.since(now.Add(-longer))
	before, lost := c.depth, float64(long.RawLost)/float64(max(long.Expected, fewPackets))
	depth, spread := c.plan(&long, &runs, c.most(&long))
	depth, spread = c.allowed(depth, spread, now)
	switch {
	case depth > c.depth || depth == c.depth && spread > c.spread:
		c.calmSince = time.Time{}
		if harmed(&short, 2) || harmed(&long, 3) {
			c.rise(depth, spread, now)
		}
	case depth == c.depth && spread == c.spread:
		c.calmSince = time.Time{}
	case c.calmSince.IsZero():
		c.calmSince = now
	case now.Sub(c.calmSince) >= c.hold:
		c.stepDown(depth, spread, now)
	}
	if c.depth != before {
		c.noteChange(before, lost, now)
	}
}

// since sums the reports that came after a moment.
func (c *Controller) since(moment time.Time) (sum Report) {
	for i := range c.reports {
		if r := &c.reports[i]; !r.at.IsZero() && r.at.After(moment) {
			sum.add(&r.Report)
		}
	}
	return sum
}

// most is one copy more than now while those that are sent leave too much missing. The first one waits
// for nothing.
func (c *Controller) most(r *Report) int {
	if c.depth > 0 && float64(r.residual()) > c.worth*float64(max(r.Expected, fewPackets)) {
		return min(c.depth+1, maxDepth)
	}
	return max(c.depth, 1)
}

// harmed tells whether so many packets were missed, and more than the aim allows.
func harmed(r *Report, packets int) bool {
	n := r.residual()
	return n >= packets && float64(n) > aim*float64(r.Expected)
}

func (c *Controller) rise(depth, spread int, now time.Time) {
	if !c.lowered.IsZero() && now.Sub(c.lowered) < relapse {
		c.hold = min(2*c.hold, holdLongest)
	}
	c.depth, c.spread = depth, spread
}

// stepDown gives up one copy, or distance where the number of copies is right.
func (c *Controller) stepDown(depth, spread int, now time.Time) {
	if c.depth > depth {
		c.depth--
	}
	c.spread = max(spread, c.depth)
	if c.depth == 0 {
		c.spread = 0
	}
	c.calmSince, c.lowered = now, now
}

// plan is the protection, of at most so many copies, that a link needs which loses as reported. Losses
// apart from each other need copies, since those get lost too; losses in a row need distance, so that
// the copy of the first comes behind the last. Each packet of distance delays all that is repaired: it
// is taken where it repairs enough; what runs still leave gets another copy, one packet farther.
func (c *Controller) plan(r, runs *Report, most int) (depth, spread int) {
	loss := float64(r.RawLost) / float64(max(r.Expected, fewPackets))
	if loss <= aim {
		return 0, 0
	}
	depth = 1
	for depth < most && math.Pow(loss, float64(depth+1)) > c.worthOf(depth+1) {
		depth++
	}
	expected := float64(max(runs.Expected, fewPackets))
	usual := float64(runs.RawLost) / expected
	for spread = depth; spread < longestKnown; spread++ {
		chance := chanceRuns * math.Pow(usual, float64(spread+1)) // of losses apart from each other
		if float64(runs.longerThan(spread))/expected-chance <= worthAStep*usual {
			break
		}
	}
	if spread > depth && most > 1 && float64(runs.uncovered(spread))/expected > c.worth {
		depth, spread = most, min(spread+1, longestKnown)
	}
	return depth, spread
}

// worthOf is the residual loss for which so many copies are sent: less where they are, since loss that lies
// about a bound would have them come and go.
func (c *Controller) worthOf(depth int) float64 {
	if depth <= c.depth {
		return stay * c.worth
	}
	return c.worth
}

// longerThan counts the runs of more losses than a distance: each has a packet more that one packet more
// of distance would repair.
func (r *Report) longerThan(distance int) (runs int) {
	short, middle, long := r.Bursts[1], r.Bursts[2], r.Bursts[3]
	switch distance {
	case 1:
		return short + middle + long
	case 2:
		return middle + long
	case 3:
		return middle/2 + long
	}
	return long
}

// uncovered counts the lost packets whose oldest copy was lost in the same run.
func (r *Report) uncovered(spread int) (packets int) {
	for i, length := range [...]int{1, 2, 4, longestKnown} {
		packets += r.Bursts[i] * max(0, length-spread)
	}
	return packets
}
