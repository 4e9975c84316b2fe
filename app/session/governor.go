package session

import "time"

// The governor's steps, in the order in which quality is lowered.
const (
	stepNone        = iota
	stepMeters      // meters at a third of their rate, loudness no longer measured
	stepEncoder     // complexity 5
	stepEncoderMore // complexity 2
	stepNoise       // noise suppression off
	stepFrames      // packets one mode longer
	stepFramesMore  // and another one, for who asked for studio
)

const (
	fullComplexity  = 10 // of the encoder
	easyComplexity  = 5
	leastComplexity = 2
	meterEvery      = time.Second / 16

	calmScore   = 0.8 // a load below leaves room for more
	urgentScore = 1.5 // a load above is acted on at once
	lookEvery   = time.Second
	calmReturn  = 4 * time.Second // calm before a step back
	longestWait = time.Minute     // calm before it, when it failed again and again
	failsWithin = 30 * time.Second
	forgetAfter = 3 * time.Minute
	clearlyLess = 0.7 // of the load at which a step back failed
	saidFor     = 10 * time.Second
)

// quality is what the governor may lower, from what was asked for.
type quality struct {
	meterInterval time.Duration // 0 draws none
	loudness      bool          // is measured
	complexity    int
	noise         bool // noise suppression
	mode          Mode // whose packet length is used
	long          int  // samples of packets that the uplink wants longer than any mode has them; 0: the mode's
}

// samples is the length of packets.
func (q quality) samples() (int, error) {
	own, err := frameSamples(q.mode)
	return max(own, q.long), err
}

// lower is a quality after so many steps.
func (q quality) lower(step int) quality {
	if step >= stepMeters {
		q.meterInterval *= 3
		q.loudness = false
	}
	if step >= stepEncoder {
		q.complexity = easyComplexity
	}
	if step >= stepEncoderMore {
		q.complexity = leastComplexity
	}
	if step >= stepNoise {
		q.noise = false
	}
	for range min(step, stepFramesMore) - stepNoise {
		q.mode = q.mode.longer()
	}
	return q
}

// longer is the mode with the next longer packets.
func (m Mode) longer() Mode {
	if m == ModeStudio {
		return ModeLive
	}
	return ModeSafe
}

// governor decides how far quality is lowered. It takes a step down when the load is too high for two
// looks, or high at one, and a step back after a calm while; that while doubles each time that a step
// back failed, and is short again once the load is clearly lower than it was then. Steps that would
// change nothing are passed over. It is pure: time and load are parameters.
type governor struct {
	step      int
	reason    GovernorReason
	exhausted bool      // the load is too high and there is nothing left to lower
	changed   time.Time // when the step last did

	over      int       // looks in a row with too high a load
	calmSince time.Time // zero while it is not calm
	calmPeak  float64   // highest load since
	lessSince time.Time // the load is clearly less than when the last step back failed; zero while it is not
	returns   [stepFramesMore + 1]returned
}

// returned is the last step back from a step.
type returned struct {
	at   time.Time
	load float64       // before
	wait time.Duration // calm that is needed next; 0 as usual
}

// observe takes a look at the load, for somebody who asked for so much, and tells whether the step
// changed.
func (g *governor) observe(now time.Time, l Load, asked quality) bool {
	score, reason := l.score()
	switch {
	case score >= 1:
		g.calmSince = time.Time{}
		g.over++
		if g.over < 2 && score < urgentScore {
			return false
		}
		return g.down(now, reason, asked)
	case score >= calmScore:
		g.over, g.calmSince, g.exhausted = 0, time.Time{}, false
		return false
	}
	g.over, g.exhausted = 0, false
	g.notice(now, score)
	if g.step == stepNone || !g.mayReturn(now) {
		return false
	}
	g.up(now, asked)
	return true
}

// notice keeps account of a calm look.
func (g *governor) notice(now time.Time, score float64) {
	if g.calmSince.IsZero() {
		g.calmSince, g.calmPeak, g.lessSince = now, 0, time.Time{}
	}
	g.calmPeak = max(g.calmPeak, score)
	if score >= clearlyLess*g.returns[g.step].load {
		g.lessSince = time.Time{}
	} else if g.lessSince.IsZero() {
		g.lessSince = now
	}
}

// mayReturn tells whether it was calm for long enough to take the present step back.
func (g *governor) mayReturn(now time.Time) bool {
	r := &g.returns[g.step]
	if now.Sub(r.at) > forgetAfter {
		r.wait = 0
	}
	if !g.lessSince.IsZero() && now.Sub(g.lessSince) >= calmReturn {
		return true
	}
	return now.Sub(g.calmSince) >= max(r.wait, calmReturn)
}

// down goes to the next step that changes something.
func (g *governor) down(now time.Time, reason GovernorReason, asked quality) bool {
	next := g.step + 1
	for next <= stepFramesMore && asked.lower(next) == asked.lower(g.step) {
		next++
	}
	g.exhausted = next > stepFramesMore
	if g.exhausted {
		return false
	}
	if r := &g.returns[next]; !r.at.IsZero() && now.Sub(r.at) < failsWithin {
		r.wait = min(2*max(r.wait, calmReturn), longestWait)
	}
	g.step, g.reason, g.changed, g.over = next, reason, now, 0
	return true
}

// up goes back to the step before the last that changes something.
func (g *governor) up(now time.Time, asked quality) {
	r := &g.returns[g.step]
	r.at, r.load = now, g.calmPeak
	present := asked.lower(g.step)
	for g.step > stepNone && asked.lower(g.step) == present {
		g.step--
	}
	for g.step > stepNone && asked.lower(g.step-1) == asked.lower(g.step) {
		g.step--
	}
	g.changed, g.calmSince, g.calmPeak, g.lessSince = now, now, 0, time.Time{}
}

// The loads at which each figure alone is too high.
const (
	mostThrottledPercent = 3
	mostQuotaShare       = 0.9
	mostFrameRatio       = 0.7
	mostMemoryShare      = 0.9
	mostLate             = 10 * time.Millisecond
	busyMachinePercent   = 85
)

// score puts a load into one figure, of which 1 is too high, and says what causes it.
func (l *Load) score() (score float64, reason GovernorReason) {
	rate := func(value, most float64, why GovernorReason) {
		if most > 0 && value/most > score {
			score, reason = value/most, why
		}
	}
	rate(l.CPUPercent, l.CPULimitPercent, ReasonCPULimit)
	rate(l.CPUPercent, mostQuotaShare*l.CPUQuotaPercent, ReasonCPUQuota)
	rate(l.ThrottledPercent, mostThrottledPercent, ReasonCPUQuota)
	rate(max(l.CaptureRatio, l.PlayoutRatio), mostFrameRatio, ReasonFrameTime)
	rate(float64(l.MemoryBytes), mostMemoryShare*float64(l.MemoryLimitBytes), ReasonMemory)
	// A device that stumbles on an idle machine is not helped by doing less, and stumbling once is no load.
	if l.MachinePercent >= busyMachinePercent {
		rate(min(float64(l.Dropouts), 1), 1, ReasonLateFrames)
		rate(min(float64(l.Late), float64(mostLate)), float64(mostLate), ReasonLateFrames)
	}
	return score, reason
}
