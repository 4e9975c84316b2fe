package engine

import "time"

const (
	settleLook  = 50 * time.Millisecond
	settleStill = time.Second // for which buffers must stand still,
	settleNear  = 300 * time.Microsecond
	settleMost  = 3 * time.Second // unless that takes too long
)

// buffered is what waits of everybody else's sound at an engine, and in front of its loudspeaker.
func (e *engine) buffered() (all []time.Duration) {
	snap := e.session.Snapshot()
	for _, p := range snap.Performers {
		all = append(all, p.TargetDelay, p.CurrentDelay)
	}
	return append(all, snap.Self.RenderLatency)
}

// settle waits until buffers stand still, and returns how long that took.
func settle(buffered func() []time.Duration) time.Duration {
	var s stillness
	for begin := time.Now(); ; time.Sleep(settleLook) {
		if now := time.Now(); s.look(now, buffered()) || now.Sub(begin) >= settleMost {
			return now.Sub(begin)
		}
	}
}

// stillness watches figures until none has moved for a while.
type stillness struct {
	since time.Time
	first []time.Duration // figures at since
}

// look takes the newest figures and tells whether they have all stayed near each other for long enough.
func (s *stillness) look(now time.Time, figures []time.Duration) bool {
	still := len(figures) == len(s.first)
	for i := 0; still && i < len(figures); i++ {
		still = (figures[i] - s.first[i]).Abs() <= settleNear
	}
	if !still {
		s.since, s.first = now, figures
	}
	return now.Sub(s.since) >= settleStill
}
