package jitter

const (
	stallShare   = 5.2                    // times the late budget may be late when stalls are counted, too
	usualLoss    = 0.0015                 // lost packets; more take from the late budget,
	leastBudget  = 0.44                   // of which so much always remains
	guard        = 1                      // samples
	boundary     = 1                      // samples: who comes that close before a drain may miss it next time
	shrinkRate   = sampleRate / 1000      // samples a second, at least; as fast as a glide
	shrinkTime   = 5                      // s in which the way down is gone, at least
	learnPackets = 100                    // packets until the target may go below Config.Initial
	alarmLate    = 3                      // packets whose sound is late
	alarmSpan    = 3 * sampleRate / 10    // within so many samples raise the target at once,
	alarmHold    = 2 * sampleRate         // for so long,
	alarmBeyond  = 0.6                    // beyond the latest by that share of what they differ by
	driftOn      = 29                     // samples in 10 s, 60 ppm: the clocks go apart
	driftOff     = 14                     // and 30 ppm: they do not
	driftAge     = 0.8                    // of 10 s that what is remembered is old by
	standstill   = 80 * sampleRate / 1000 // samples that a frame comes too late: the playout stood still
	outlookEvery = sampleRate / 4
)

// clock says how playing goes on. Its unit is the sample that was given out; a delay is how many
// samples of playing lie between a sample's room time and its turn.
type clock struct {
	played int64 // samples given out since the start
	slack  floor // of the receiver's time minus played
	step   int64 // samples given out between the last two moments at which packets were taken
	last   int64 // played at the last of them
	now    int64 // the receiver's time then, in samples
	begun  bool
	drift  float64 // samples in 10 s by which the network's floor moves
	piece  int64
}

// divide makes two budgets of the one for lateness: for the usual sound, and with stalls. What never
// comes is heard as well, so that less may be late then.
func divide(late, lost float64) (usual, stalls float64) {
	usual = max(late-max(0, lost-usualLoss), leastBudget*late)
	return usual, stallShare * usual
}

// tick is called when packets are about to be taken. It returns by how much the playout stood still.
func (c *clock) tick(now int64) (stood int64) {
	if c.begun && now == c.now {
		return 0
	}
	if c.begun {
		if late := now - c.played - c.slack.value(); late > standstill+2*c.step {
			c.played += late
			stood = late
		} else if step := c.played - c.last; step > 0 {
			c.step = step
		}
	}
	c.begun, c.last, c.now = true, c.played, now
	c.slack.add(now, now-c.played)
	return stood
}

// steady tells whether the clocks of sender and loudspeaker go alike, so that packets keep their place
// within the loudspeaker's periods. transit is the floor of the network.
func (c *clock) steady(transit *floor) bool {
	if piece := transit.piece; piece != c.piece && min(transit.count, c.slack.count) >= 9 {
		c.piece = piece
		moved := transit.of(1, 3) - c.slack.of(1, 3) - transit.of(6, 3) + c.slack.of(6, 3)
		c.drift += 0.3 * (float64(min(max(moved, -480), 480)) - c.drift)
	}
	return c.drift < driftOn && c.drift > -driftOn
}

// aim sets the target delay: to what the budgets ask for, at once upward and slowly downward.
type aim struct {
	target  int64 // samples of playing
	begun   bool
	since   int64   // played when it was set last
	falling float64 // samples of the way down that are less than one

	late            float64 // packets in a row of close ones
	lateAt          int64
	least, greatest int64 // delays that they needed
	alarm           int64 // target that they raised,
	until           int64 // valid until so much is played
}

// noteLate counts a packet that the target does not cover: with what of its sound is lost, or whole when
// none was ever so late.
func (a *aim) noteLate(played, need int64, cost float64) {
	if a.late == 0 || played-a.lateAt > alarmSpan {
		a.late, a.lateAt, a.least, a.greatest = 0, played, need, need
	}
	a.late += cost
	a.least, a.greatest = min(a.least, need), max(a.greatest, need)
	if a.late >= alarmLate {
		a.alarm = a.greatest + int64(alarmBeyond*float64(a.greatest-a.least)) + binSamples + guard
		a.until = played + alarmHold
	}
}

// set moves the target toward a need between two bounds.
func (a *aim) set(played, need, lowest, highest int64) {
	if played < a.until {
		need = max(need, a.alarm)
	}
	need = min(max(need, lowest), highest)
	if !a.begun {
		a.begun, a.target = true, need
	}
	passed := float64(max(0, played-a.since)) / sampleRate
	a.since = played
	a.falling += max(shrinkRate*passed, float64(a.target-need)*passed/shrinkTime)
	whole := int64(a.falling)
	a.falling -= float64(whole)
	if a.target -= whole; a.target <= need {
		a.target, a.falling = need, 0
	}
}
