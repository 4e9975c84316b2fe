package session

import (
	"sync/atomic"
	"time"

	"gasso/audio/device"
)

const (
	reserveStep  = 60   // samples that an underrun adds, and a calm while takes away at least
	reserveGuard = 12   // samples that should be left when the playout goroutine was late
	reserveMost  = 3840 // 80 ms
	reserveLate  = 240  // at most what lateness alone asks for: a machine that stalls is no reason for delay

	calmAtFirst = 5 * time.Second // until less is tried; twice as long each time that it was too little
	calmAtMost  = time.Minute
	lateWindow  = time.Second
)

// reserve decides how far ahead a loudspeaker is kept: by what it moves at once, and as much more as it
// turned out to need. It grows at once, when the playout goroutine comes so late that the device nearly
// starved or when it did, and shrinks after a calm while, a longer one when it had to grow again. It belongs to the playout goroutine.
type reserve struct {
	extra     int64    // samples beyond a period
	late      [2]int64 // samples at worst, in this window and the one before
	windowEnd time.Time
	underruns int64
	calmSince time.Time
	calm      time.Duration
	trying    bool // less than before, since calmSince
}

// begin adopts a device that starved so often before, with what one of its name needed last time.
func (r *reserve) begin(underruns, extra int64, now time.Time) {
	*r = reserve{extra: extra, underruns: underruns, calmSince: now, calm: calmAtFirst, windowEnd: now.Add(lateWindow)}
}

// note takes how long after the device's callback its ring was full again.
func (r *reserve) note(late time.Duration, now time.Time) {
	if now.After(r.windowEnd) {
		r.late[1], r.late[0], r.windowEnd = r.late[0], 0, now.Add(lateWindow)
	}
	r.late[0] = max(r.late[0], min(int64(late*device.Rate/time.Second), reserveMost))
}

// samples is how far to be ahead of a device that moves a period at once and has starved so often;
// least is what is kept beyond the period in any case.
func (r *reserve) samples(period, underruns, least int64, now time.Time) int64 {
	needed := max(least, min(max(r.late[0], r.late[1])+reserveGuard-period, reserveLate))
	switch {
	case underruns != r.underruns:
		if r.trying {
			r.calm = min(2*r.calm, calmAtMost)
		}
		r.underruns, r.calmSince, r.trying = underruns, now, false
		r.extra += reserveStep
	case r.extra > needed && now.Sub(r.calmSince) > r.calm:
		r.calmSince, r.trying = now, true
		r.extra -= max(reserveStep, r.extra/4)
	}
	r.extra = min(max(r.extra, needed, 0), reserveMost)
	return period + r.extra
}

// playoutLoad is how busy the playout goroutine is. It writes, the governor reads.
type playoutLoad struct {
	spent atomic.Int64 // ns, on
	mixed atomic.Int64 // samples
	late  atomic.Int64 // ns after a callback, at worst
}

// note counts one filling of the ring: mixed samples in so much time, done so long after the callback.
func (l *playoutLoad) note(samples int, spent, late time.Duration) {
	l.spent.Add(int64(spent))
	l.mixed.Add(int64(samples))
	if int64(late) > l.late.Load() {
		l.late.Store(int64(late))
	}
}

// take returns the share of its time that the playout goroutine worked, 0 to 1 and above when it does
// not keep up, and how late it was at worst, both since the last call.
func (l *playoutLoad) take() (ratio float64, late time.Duration) {
	spent, mixed := l.spent.Swap(0), l.mixed.Swap(0)
	if mixed > 0 {
		ratio = float64(spent) / (float64(mixed) * float64(time.Second) / device.Rate)
	}
	return ratio, time.Duration(l.late.Swap(0))
}
