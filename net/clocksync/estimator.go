package clocksync

import (
	"math"
	"sync/atomic"
	"time"
)

// What the estimator trusts and how fast it moves.
const (
	windowSpan   = 2 * time.Minute
	windowSize   = 512
	slopeSpan    = 8 * time.Second // much shorter spans say more about jitter than about drift
	slopeSamples = 8
	excessFloor  = 500 * time.Microsecond
	nearBest     = 16     // samples that come as near to the shortest round trip as any are trusted alike
	maxSlope     = 500e-6 // no sound hardware or computer clock drifts more
	slewRate     = 300e-6
	stepAbove    = 50 * time.Millisecond
)

// Estimator turns clock pings into room time. Add belongs to one goroutine; everything else may be
// called from any, without a lock.
//
// The ping with the shortest round trip of the last two minutes has the least queueing in it, so its
// offset is trusted most (after the clock filter of RFC 5905, section 10), and the line is fitted
// through those that come near it: the more they are, the less the chance of one counts. Corrections are
// slewed, and stepped only above 50 ms.
type Estimator struct {
	epoch   time.Time
	samples []sample
	line    atomic.Pointer[line]
}

type sample struct {
	at, rtt, offset float64 // ns; at and offset relative to the epoch
}

// line is offset(t) = offset + slope*(t-at), plus a correction that is worked off at slewRate.
type line struct {
	epoch      time.Time
	base       int64 // room time at epoch as first measured, ns
	at         float64
	offset     float64
	slope      float64
	correction float64
	rtt        time.Duration
}

// New returns an estimator that has yet to hear of the server.
func New() *Estimator { return &Estimator{} }

// Add takes one ping: when it was sent and its answer received on this machine's monotonic clock,
// and room time at its receipt and answer. A ping with a negative round trip is ignored.
func (e *Estimator) Add(sent, received time.Time, serverReceivedNS, serverAnsweredNS int64) {
	rtt := received.Sub(sent) - time.Duration(serverAnsweredNS-serverReceivedNS)
	if rtt < 0 {
		return
	}
	middle := sent.Add(received.Sub(sent) / 2)
	serverMiddle := serverReceivedNS + (serverAnsweredNS-serverReceivedNS)/2
	old := e.line.Load()
	if old == nil {
		e.epoch = middle
		e.samples = append(make([]sample, 0, windowSize), sample{rtt: float64(rtt)})
		e.line.Store(&line{epoch: middle, base: serverMiddle, rtt: rtt})
		return
	}
	at := float64(middle.Sub(e.epoch))
	s := sample{at: at, rtt: float64(rtt), offset: float64(serverMiddle-old.base) - at}
	if off := math.Abs(s.offset - old.offsetAt(at)); off > float64(stepAbove)+s.rtt {
		e.samples = e.samples[:0] // a server that started anew; what was known of it no longer holds
	}
	e.keep(s)
	e.line.Store(e.next(old, at))
}

// keep appends s and forgets what is too old.
func (e *Estimator) keep(s sample) {
	kept := e.samples[:0]
	for _, k := range e.samples {
		if s.at-k.at < float64(windowSpan) && len(e.samples) < windowSize {
			kept = append(kept, k)
		}
	}
	if len(e.samples) >= windowSize {
		kept = append(kept, e.samples[1:]...)
	}
	e.samples = append(kept, s)
}

// next fits a line to the samples and leads from the old line to it.
func (e *Estimator) next(old *line, now float64) *line {
	offset, slope, rtt := e.fit(now)
	current := old.offsetAt(now)
	l := &line{epoch: e.epoch, base: old.base, at: now, offset: current, slope: slope, correction: offset - current, rtt: time.Duration(rtt)}
	if l.correction > float64(stepAbove) || l.correction < -float64(stepAbove) {
		l.offset, l.correction = offset, 0
	}
	return l
}

// fit is a weighted least-squares line through the samples, evaluated at now. A sample's error is at
// most half of what its round trip exceeds the true one by, so weights fall with the square of the
// excess over the shortest, measured in that of the best few. The slope is held back towards zero until
// the samples span enough time.
func (e *Estimator) fit(now float64) (offset, slope, bestRTT float64) {
	bestRTT = e.samples[0].rtt
	for _, s := range e.samples {
		bestRTT = min(bestRTT, s.rtt)
	}
	floor := max(float64(excessFloor), e.excess(bestRTT))
	weight := func(excess float64) float64 {
		near := 1 + excess/floor
		return 1 / (near * near)
	}
	var sum, sumT, sumO float64
	for _, s := range e.samples {
		w := weight(s.rtt - bestRTT)
		sum += w
		sumT += w * s.at
		sumO += w * s.offset
	}
	meanT, meanO := sumT/sum, sumO/sum
	var sumTT, sumTO float64
	for _, s := range e.samples {
		w := weight(s.rtt - bestRTT)
		sumTT += w * (s.at - meanT) * (s.at - meanT)
		sumTO += w * (s.at - meanT) * (s.offset - meanO)
	}
	prior := sum * float64(slopeSpan) * float64(slopeSpan) * slopeSamples / float64(len(e.samples))
	slope = sumTO / (sumTT + prior)
	slope = max(-maxSlope, min(maxSlope, slope))
	return meanO + slope*(now-meanT), slope, bestRTT
}

// excess is by how much the round trips of the best few samples exceed the shortest.
func (e *Estimator) excess(bestRTT float64) float64 {
	var best [nearBest]float64
	kept := 0
	for _, s := range e.samples {
		at := kept
		for at > 0 && best[at-1] > s.rtt {
			at--
		}
		if at == nearBest {
			continue
		}
		kept = min(kept+1, nearBest)
		copy(best[at+1:kept], best[at:kept-1])
		best[at] = s.rtt
	}
	return best[kept-1] - bestRTT
}

func (l *line) offsetAt(t float64) float64 {
	reach := max(0, t-l.at) * slewRate
	return l.offset + l.slope*(t-l.at) + max(-reach, min(reach, l.correction))
}

// Ready tells whether room time is known.
func (e *Estimator) Ready() bool { return e.line.Load() != nil }

// RoomNS returns room time in nanoseconds since the Unix epoch at a moment of the local clock; 0
// while it is unknown.
func (e *Estimator) RoomNS(local time.Time) int64 {
	l := e.line.Load()
	if l == nil {
		return 0
	}
	t := local.Sub(l.epoch)
	return l.base + int64(t) + int64(l.offsetAt(float64(t)))
}

// RoomSample returns room time in samples at 48 kHz.
func (e *Estimator) RoomSample(local time.Time) int64 { return SampleAt(e.RoomNS(local)) }

// RTT returns the shortest round trip of the last two minutes; the error of room time is at most half of it.
func (e *Estimator) RTT() time.Duration {
	if l := e.line.Load(); l != nil {
		return l.rtt
	}
	return 0
}
