// Package limiter keeps true peaks below a ceiling, with look-ahead.
package limiter

import (
	"math"
	"sync/atomic"
)

const (
	sampleRate  = 48000
	window      = 37 // samples of look-ahead; 1 ms with the interpolator
	taps        = 24 // of one phase of the interpolator
	phases      = 4  // BS.1770-4 annex 2: four times oversampled
	centre      = taps / 2
	releaseTime = 0.08 // seconds to fall to 1/e of the reduction
	greatest    = 1e4  // what is above, or no number, is a fault and becomes silence
)

// Limiter is a linked true-peak limiter. Its methods belong to one goroutine, except GainReductionDB.
//
// Each sample's needed gain is held over the window (a sliding minimum), released slowly and then
// averaged over the window, so that the gain is down in full, smoothly, when the peak comes out.
type Limiter struct {
	channels int
	ceiling  float64
	release  float64
	bound    float64 // a sample below cannot be part of a true peak above the ceiling
	filter   [phases - 1][taps]float64

	history [][2 * taps]float64 // per channel, the last taps samples twice in a row
	before  [][2]float64        // per channel, the last two points of the sample before
	at      int                 // where the next sample goes in history
	hot     int                 // samples for which the interpolator still has to run

	delay   []float32 // latency samples of all channels
	delayAt int

	needed    [window]float64 // ring of the needed gains in the window
	falling   [window]int64   // positions of a rising sequence of minima: head to tail
	head      int
	count     int
	position  int64
	held      float64
	average   [window]float64
	sum       float64
	averageAt int

	lowest    float64 // gain of this frame
	reduction atomic.Uint64
}

// New returns a limiter for interleaved frames at 48 kHz. No true peak passes ceilingDB (dBTP).
func New(channels int, ceilingDB float64) *Limiter {
	channels = max(channels, 1)
	l := &Limiter{
		channels: channels,
		ceiling:  math.Pow(10, ceilingDB/20) * 0.95, // white noise rises 0.4 dB above what the short interpolator sees
		release:  1 - math.Exp(-1/(releaseTime*sampleRate)),
		history:  make([][2 * taps]float64, channels),
		before:   make([][2]float64, channels),
		held:     1,
		sum:      window,
	}
	l.delay = make([]float32, l.LatencySamples()*channels)
	for i := range l.average {
		l.average[i] = 1
	}
	greatestSum := 1.0
	for p := range l.filter {
		l.filter[p] = interpolator(float64(p+1) / phases)
		sum := 0.0
		for _, h := range l.filter[p] {
			sum += math.Abs(h)
		}
		greatestSum = max(greatestSum, sum)
	}
	l.bound = l.ceiling / greatestSum
	return l
}

// interpolator returns a windowed sinc that reads a fraction of a sample past the centre.
func interpolator(fraction float64) (h [taps]float64) {
	sum := 0.0
	for i := range h {
		x := float64(i-(centre-1)) - fraction
		w := 0.7 + 0.3*math.Cos(math.Pi*x/(centre+0.5))
		h[i] = w
		if x != 0 {
			h[i] = w * math.Sin(math.Pi*x) / (math.Pi * x)
		}
		sum += h[i]
	}
	for i := range h {
		h[i] /= sum
	}
	return h
}

// Process limits one frame in place. What comes out went in LatencySamples earlier.
func (l *Limiter) Process(pcm []float32) {
	l.lowest = 1
	n := l.channels
	for ; len(pcm) >= n; pcm = pcm[n:] {
		gain := l.nextGain(l.truePeak(pcm[:n]))
		l.lowest = min(l.lowest, gain)
		delayed := l.delay[l.delayAt : l.delayAt+n]
		for c, v := range pcm[:n] {
			pcm[c] = float32(float64(delayed[c]) * gain)
			delayed[c] = v
		}
		if l.delayAt += n; l.delayAt == len(l.delay) {
			l.delayAt = 0
		}
	}
	l.reduction.Store(math.Float64bits(-20 * math.Log10(l.lowest)))
}

// LatencySamples is the delay of Process in samples per channel.
func (l *Limiter) LatencySamples() int { return window - 1 + centre }

// GainReductionDB tells how far the last frame was turned down, 0 or more. Any goroutine may call it.
func (l *Limiter) GainReductionDB() float64 { return math.Float64frombits(l.reduction.Load()) }

// truePeak takes one sample of each channel (and cleans it) and returns the highest value of the
// interpolated signal around the sample that came centre samples earlier.
func (l *Limiter) truePeak(sample []float32) float64 {
	for c, v := range sample {
		x := math.Abs(float64(v))
		if !(x <= greatest) {
			sample[c], x = 0, 0
		}
		if x > l.bound {
			l.hot = taps
		}
		l.history[c][l.at], l.history[c][l.at+taps] = float64(sample[c]), float64(sample[c])
	}
	if l.at++; l.at == taps {
		l.at = 0
	}
	if l.hot == 0 {
		return 0
	}
	l.hot--
	peak := 0.0
	for c := range l.history {
		x := l.history[c][l.at : l.at+taps] // oldest first
		points := [phases + 3]float64{l.before[c][0], l.before[c][1], x[centre-1], 0, 0, 0, x[centre]}
		for p := range l.filter {
			y := 0.0
			for i, h := range &l.filter[p] {
				y += h * x[i]
			}
			points[3+p] = y
		}
		l.before[c] = [2]float64{points[phases], points[phases+1]}
		for i := 1; i+1 < len(points); i++ {
			peak = max(peak, crest(points[i-1], points[i], points[i+1]))
		}
	}
	return peak
}

// crest is the height of the parabola through three points around the middle one, when that is the
// farthest from zero: next to 24 kHz the signal rises 0.7 dB above four points a sample.
func crest(a, b, c float64) float64 {
	if b < 0 {
		a, b, c = -a, -b, -c
	}
	bend := 2*b - a - c
	if b < a || b < c || bend <= 0 {
		return b
	}
	return b + (a-c)*(a-c)/(8*bend)
}

// nextGain turns a peak into the gain of the sample that leaves now.
func (l *Limiter) nextGain(peak float64) float64 {
	need := 1.0
	if peak > l.ceiling {
		need = l.ceiling / peak
	}
	lowest := l.windowMinimum(need)
	l.held += l.release * (1 - l.held)
	l.held = min(l.held, lowest)
	if 1-l.held < 1e-9 {
		l.held = 1
	}
	l.sum += l.held - l.average[l.averageAt]
	l.average[l.averageAt] = l.held
	if l.averageAt++; l.averageAt == window {
		l.averageAt = 0
		l.sum = 0 // no rounding errors pile up
		for _, v := range l.average {
			l.sum += v
		}
	}
	return min(1, l.sum/window)
}

// windowMinimum returns the minimum of the last window needed gains (a monotonic queue).
func (l *Limiter) windowMinimum(need float64) float64 {
	at := l.position
	l.position++
	if l.count > 0 && l.falling[l.head] <= at-window {
		l.head = (l.head + 1) % window
		l.count--
	}
	for l.count > 0 {
		last := l.falling[(l.head+l.count-1)%window]
		if l.needed[last%window] < need {
			break
		}
		l.count--
	}
	l.falling[(l.head+l.count)%window] = at
	l.needed[at%window] = need
	l.count++
	return l.needed[l.falling[l.head]%window]
}
