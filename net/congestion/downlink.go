package congestion

import "time"

// Level says what a receiver does without, since its downlink carries no more.
type Level int

// The levels. Each spares more than the one before.
const (
	LevelFull   Level = iota // both paths of everybody
	LevelDirect              // no second path: what comes directly is not forwarded
	LevelMix                 // one small mix in place of everybody
)

// What a Downlink goes by.
const (
	downQueue    = 20 * time.Millisecond
	downLoss     = 0.15 // copies make up for less, as two bad lines one after the other lose
	downFew      = 4    // packets of a source in one look
	downMost     = 0.7
	downPatience = time.Second            // of suffering before the first step
	downSettles  = 2 * time.Second        // until a step shows its effect
	downCalm     = 15 * time.Second       // before a step back
	downCalmMix  = time.Minute            // before the one from the mix, which costs most where it fails
	downSlower   = 4                      // times, each time that one failed
	downLongest  = 5 * time.Minute        // before it, when it failed again and again
	downRelapse  = 10 * time.Second       // suffering so soon after a step back makes it a failure
	downAtOnce   = 500 * time.Millisecond // of suffering before such a step is undone
	downSilent   = 12 * time.Second       // without any mix: then rather tracks with gaps
	downRTT      = 15 * time.Millisecond  // more than usual: the own network is busy
	downForgets  = 1500 * time.Millisecond
)

// Source is what came from one origin on one path since the look before.
type Source struct {
	Origin   string
	Direct   bool
	Came     int
	Expected int           // packets of which it is known whether they came
	Lost     int           // of these
	Delay    time.Duration // the least, from any fixed moment
	Anew     bool          // the moment is another one than at the look before
}

// Surroundings are what else tells of the own network.
type Surroundings struct {
	RTT           time.Duration // to the server; 0 while unknown
	UplinkLimited bool          // the own uplink is full, which makes round trips longer too
	MayDrop       bool          // there are second paths to do without
}

type sourceKey struct {
	origin string
	direct bool
}

type sourceState struct {
	seen time.Time
	base [baseBuckets]leastDelay
}

// Downlink finds out whether a receiver's own network carries what is sent to it, and what to do without. It
// takes for its own what several origins suffer at once, or what one suffers while the round trip to the
// server grows. One goroutine at a time.
type Downlink struct {
	level        Level
	sources      map[sourceKey]*sourceState
	rtt          [baseBuckets]leastDelay
	suffersSince time.Time
	calmSince    time.Time
	silentSince  time.Time // nothing comes
	changed      time.Time
	returned     time.Time // of the last step back
	from         Level     // that it left
	failed       bool      // it did not hold
	wait         time.Duration
	began, now   time.Time
}

// NewDownlink starts with everything.
func NewDownlink() *Downlink {
	return &Downlink{sources: map[sourceKey]*sourceState{}, wait: downCalm}
}

// Level is what to do without now.
func (d *Downlink) Level() Level { return d.level }

// Look takes what came, about four times a second.
func (d *Downlink) Look(sources []Source, around Surroundings, now time.Time) Level {
	if d.now = now; d.began.IsZero() {
		d.began = now
	}
	suffers, known := d.suffers(sources, around)
	if known {
		d.silentSince = time.Time{}
	}
	switch {
	case !known:
		d.hearNothing()
		return d.level
	case !suffers:
		d.suffersSince = time.Time{}
		if d.calmSince.IsZero() {
			d.calmSince = now
		}
		if d.level > LevelFull && now.Sub(d.calmSince) >= d.calm() {
			d.back()
		}
		return d.level
	}
	d.calmSince = time.Time{}
	if d.suffersSince.IsZero() {
		d.suffersSince = now
	}
	switch {
	case d.relapses() && now.Sub(d.suffersSince) >= downAtOnce:
		d.level, d.failed = d.from, true
		d.wait = min(downSlower*d.wait, downLongest)
		d.changed, d.suffersSince = now, time.Time{}
	case now.Sub(d.suffersSince) >= downPatience && now.Sub(d.changed) >= downSettles && d.level < LevelMix:
		d.further(around)
	}
	return d.level
}

// calm is how long nothing may be suffered before a step back.
func (d *Downlink) calm() time.Duration {
	switch {
	case d.level == LevelMix:
		return max(d.wait, downCalmMix)
	case d.from == LevelMix && !d.failed: // leaving the mix has held
		return downCalm
	}
	return d.wait
}

// relapses tells whether what is suffered comes of the last step back.
func (d *Downlink) relapses() bool {
	return !d.failed && d.level < d.from && !d.returned.IsZero() && d.now.Sub(d.returned) < downRelapse
}

// hearNothing gives up on a mix that does not come.
func (d *Downlink) hearNothing() {
	if d.level != LevelMix || d.silentSince.IsZero() {
		d.silentSince = d.now
		return
	}
	if d.now.Sub(d.silentSince) >= downSilent {
		d.back()
	}
}

func (d *Downlink) further(around Surroundings) {
	if d.level++; d.level == LevelDirect && !around.MayDrop {
		d.level = LevelMix
	}
	d.changed, d.suffersSince = d.now, time.Time{}
}

func (d *Downlink) back() {
	if !d.failed && d.now.Sub(d.returned) > downLongest {
		d.wait = downCalm
	}
	d.from, d.failed = d.level, false
	d.level--
	d.changed, d.returned, d.calmSince = d.now, d.now, time.Time{}
}

// suffers weighs the sources.
func (d *Downlink) suffers(sources []Source, around Surroundings) (suffers, known bool) {
	total, bad := 0, 0
	origins := map[string]bool{}
	for i := range sources {
		s := &sources[i]
		if s.Came < downFew && s.Lost < downFew {
			continue
		}
		total++
		if d.sourceSuffers(s) {
			bad++
			origins[s.Origin] = true
		}
	}
	slow := d.roundTripGrew(around)
	for key, state := range d.sources {
		if d.now.Sub(state.seen) > time.Minute {
			delete(d.sources, key)
		}
	}
	if total == 0 {
		return false, false
	}
	if float64(bad) < downMost*float64(total) {
		return false, true
	}
	return len(origins) > 1 || slow && !around.UplinkLimited, true
}

// sourceSuffers compares a source with what it was in the last 10 s.
func (d *Downlink) sourceSuffers(s *Source) bool {
	key := sourceKey{s.Origin, s.Direct}
	state := d.sources[key]
	if state == nil || s.Anew || d.now.Sub(state.seen) > downForgets {
		state = &sourceState{} // a way that rested may have changed
		d.sources[key] = state
	}
	state.seen = d.now
	if s.Came > 0 && grew(&state.base, s.Delay, d.now.Sub(d.began)) > downQueue {
		return true
	}
	return s.Expected >= downFew && float64(s.Lost) > downLoss*float64(s.Expected)
}

func (d *Downlink) roundTripGrew(around Surroundings) bool {
	return around.RTT > 0 && grew(&d.rtt, around.RTT, d.now.Sub(d.began)) > downRTT
}

// grew is by how much a delay is longer than the least in 10 s, which it may become. at is since any beginning.
func grew(base *[baseBuckets]leastDelay, delay, at time.Duration) time.Duration {
	second := int64(max(at, 0)/baseBucket) + baseBuckets // an empty bucket is too old from the first on
	b := &base[second%baseBuckets]
	if b.second != second || delay < b.delay {
		*b = leastDelay{second, delay}
	}
	least := delay
	for i := range base {
		if b := &base[i]; b.second > second-baseBuckets {
			least = min(least, b.delay)
		}
	}
	return delay - least
}
