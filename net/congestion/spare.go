package congestion

import "time"

const (
	spareFirst  = 16_000.0  // bytes a second
	spareMost   = 1_000_000 // bytes a second
	spareRise   = 0.25      // a second
	spareShare  = 0.05      // of a limited uplink
	spareAbove  = 1.1       // of the least that live packets take, before any of it is spare
	spareQueue  = 8 * time.Millisecond
	spareHalves = 300 * time.Millisecond // between two cuts
	spareInUse  = 500 * time.Millisecond // after something was spent
	yieldsFor   = time.Second            // live packets wait for spare ones to give way
	spendWindow = time.Second
)

// spare is what may be sent that is not live. It gives way before live packets do.
type spare struct {
	rate     float64 // bytes a second
	cutAt    time.Time
	spentAt  time.Time
	bytes    float64 // in the present second, fading
	since    time.Time
	yielding time.Time
}

// Spare is what live packets leave of the uplink, in bytes a second. Say with Spent what was used.
func (c *Controller) Spare() int {
	switch {
	case c.now.IsZero() || c.acked == 0:
		return 0
	case c.queue > queueSmall: // a limit may come of it, and what is under way then is in the way
		return 0
	case c.limited() && (c.queue > spareQueue || c.rate < spareAbove*c.least):
		return 0
	case c.limited():
		return int(spareShare * c.rate / 8)
	}
	return int(max(c.spare.rate, spareFirst/4))
}

// Spent notes bytes that were sent besides live packets.
func (c *Controller) Spent(bytes int, now time.Time) {
	s := &c.spare
	s.bytes = s.spent(now)*spendWindow.Seconds() + float64(bytes)
	s.since, s.spentAt = now, now
}

// spent is the rate at which something else was sent lately, in bytes a second.
func (s *spare) spent(now time.Time) float64 {
	fade := 1 - now.Sub(s.since).Seconds()/spendWindow.Seconds()
	return s.bytes * max(0, min(1, fade)) / spendWindow.Seconds()
}

func (s *spare) used(now time.Time) bool {
	return !s.spentAt.IsZero() && now.Sub(s.spentAt) < spareInUse
}

// follow lets the rate rise while it is used and nothing waits, and halves it otherwise.
func (s *spare) follow(v *sight, limited bool, elapsed time.Duration, now time.Time) {
	if s.rate == 0 || limited {
		s.rate = spareFirst
	}
	if v.queue <= spareQueue {
		s.yielding = time.Time{}
	}
	switch {
	case v.queue > spareQueue:
		if s.used(now) && now.Sub(s.cutAt) >= spareHalves {
			s.rate, s.cutAt = max(s.rate/2, spareFirst/4), now
		}
	case s.used(now):
		s.rate = min(s.rate*(1+spareRise*elapsed.Seconds()), spareMost)
	}
}

// yield tells whether a queue may be that of spare packets, which are given up first.
func (s *spare) yield(now time.Time) bool {
	if !s.used(now) {
		s.yielding = time.Time{}
		return false
	}
	if s.yielding.IsZero() {
		s.yielding = now
	}
	return now.Sub(s.yielding) < yieldsFor
}
