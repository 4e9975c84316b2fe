package jitter

import (
	"math"
	"slices"
	"time"
)

const bin = 100 * time.Millisecond // of a track

// track is how a played signal goes on in time.
type track struct {
	delayMS []float64 // mean from probe to probe by bins; NaN where nothing was heard
	missing []int64   // packets missing at their moment until the end of each bin
	pitch   float64   // greatest error of the speed outside of blends

	sum   float64
	count int
	frame listener
}

// follow makes ours write a track.
func follow(o *ours) *track {
	t := &track{}
	o.onFrame = func(at time.Duration, pcm []float32) {
		for len(t.delayMS) < int(at/bin) {
			t.delayMS = append(t.delayMS, t.sum/float64(t.count))
			t.missing = append(t.missing, o.player.Residual().Missing)
			t.sum, t.count = 0, 0
		}
		t.frame = listener{around: aroundBuffer}
		t.frame.hear(pcm, at, o.drift)
		if t.frame.heard > 0 {
			t.sum += t.frame.probeMS()
			t.count++
		}
		if at > warmUp {
			t.pitch = math.Max(t.pitch, math.Abs(speed(pcm)*o.drift-1))
		}
	}
	return t
}

// speed is how many samples of the sender one sample of a frame is, 1 where it is not of one piece.
func speed(pcm []float32) float64 {
	const middle, last = 27, 54
	var at [3]float64
	for k, i := range [...]int{0, middle, last} {
		pos, ok := position(pcm, i)
		if !ok {
			return 1
		}
		at[k] = pos
	}
	first, second := (at[1]-at[0])/middle, (at[2]-at[1])/(last-middle)
	if math.Abs(first-second) > 2e-4 || math.Abs(first-1) > 0.1 {
		return 1
	}
	return (at[2] - at[0]) / last
}

// mean is the mean delay in a span.
func (t *track) mean(from, to time.Duration) float64 {
	sum, n := 0.0, 0
	for _, d := range t.span(from, to) {
		if !math.IsNaN(d) {
			sum += d
			n++
		}
	}
	return sum / float64(n)
}

func (t *track) span(from, to time.Duration) []float64 {
	return t.delayMS[min(len(t.delayMS), int(from/bin)):min(len(t.delayMS), int(to/bin))]
}

// strays is how far the delay goes from its median after a moment, in ms.
func (t *track) strays(from time.Duration) (most float64) {
	part := t.span(from, time.Duration(len(t.delayMS))*bin)
	median := medianOf(part)
	for _, d := range part {
		if !math.IsNaN(d) {
			most = math.Max(most, math.Abs(d-median))
		}
	}
	return most
}

func medianOf(part []float64) float64 {
	sorted := slices.DeleteFunc(slices.Clone(part), math.IsNaN)
	if len(sorted) == 0 {
		return math.NaN()
	}
	slices.Sort(sorted)
	return sorted[len(sorted)/2]
}

// lateUntilHeld counts the packets that were missing after a moment until the end of the first 2 s in
// which no more were than the budget allows.
func (t *track) lateUntilHeld(after time.Duration, budget float64) int64 {
	const span = 2 * time.Second
	allowed := int64(budget * float64(span/oursPacket))
	from := int(after/bin) - 1
	for i := from; i+int(span/bin) < len(t.missing); i++ {
		if t.missing[i+int(span/bin)]-t.missing[i] <= allowed {
			return t.missing[i+int(span/bin)] - t.missing[from]
		}
	}
	return t.missing[len(t.missing)-1] - t.missing[from]
}

// backAfter is how long after a moment the delay is at most ms again, and stays so for a second.
func (t *track) backAfter(moment time.Duration, ms float64) time.Duration {
	back := moment
	for i := int(moment / bin); i < len(t.delayMS) && time.Duration(i)*bin < back+time.Second; i++ {
		if !(t.delayMS[i] <= ms) {
			back = time.Duration(i+1) * bin
		}
	}
	return back - moment
}
