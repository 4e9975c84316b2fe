package meter

import (
	"math"
	"sync/atomic"
)

const (
	peakTaps   = 24 // of one phase of the interpolator
	peakPhases = 4  // ITU-R BS.1770-4, annex 2: four times oversampled
	peakCentre = peakTaps / 2
)

// TruePeak finds the highest true peak of all channels (ITU-R BS.1770-4, annex 2). One goroutine calls
// Process, any may call PeakDB. What cannot become a new highest peak is not interpolated, so it costs
// next to nothing once the loudest moment has passed.
type TruePeak struct {
	channels int
	filter   [peakPhases - 1][peakTaps]float64
	gain     float64                 // most by which the interpolator can exceed the samples
	history  [][2 * peakTaps]float64 // per channel, the last samples twice in a row
	at       int                     // where the next sample goes
	hot      int                     // samples for which the interpolator still has to run
	peak     float64
	reading  atomic.Uint64
}

// NewTruePeak returns a meter for interleaved frames of the given number of channels at 48 kHz.
func NewTruePeak(channels int) *TruePeak {
	t := &TruePeak{channels: max(channels, 1)}
	t.history = make([][2 * peakTaps]float64, t.channels)
	for p := range t.filter {
		t.filter[p] = interpolator(float64(p+1) / peakPhases)
		sum := 0.0
		for _, h := range t.filter[p] {
			sum += math.Abs(h)
		}
		t.gain = max(t.gain, sum)
	}
	return t
}

// interpolator returns a windowed sinc that reads a fraction of a sample past the centre.
func interpolator(fraction float64) (h [peakTaps]float64) {
	sum := 0.0
	for i := range h {
		x := float64(i-(peakCentre-1)) - fraction // never 0
		h[i] = (0.5 + 0.5*math.Cos(math.Pi*x/(peakCentre+0.5))) * math.Sin(math.Pi*x) / (math.Pi * x)
		sum += h[i]
	}
	for i := range h {
		h[i] /= sum
	}
	return h
}

// Process measures one frame. It neither allocates nor locks.
func (t *TruePeak) Process(pcm []float32) {
	before := t.peak
	for ; len(pcm) >= t.channels; pcm = pcm[t.channels:] {
		for c, v := range pcm[:t.channels] {
			x := float64(v)
			if !(math.Abs(x) <= greatestSample) {
				x = 0
			}
			if math.Abs(x)*t.gain > t.peak {
				t.hot = peakTaps
			}
			t.history[c][t.at], t.history[c][t.at+peakTaps] = x, x
		}
		if t.at++; t.at == peakTaps {
			t.at = 0
		}
		if t.hot > 0 {
			t.hot--
			t.interpolate()
		}
	}
	if t.peak != before {
		t.reading.Store(math.Float64bits(t.peak))
	}
}

// interpolate looks around the sample that came peakCentre samples ago.
func (t *TruePeak) interpolate() {
	for c := range t.history {
		x := t.history[c][t.at : t.at+peakTaps] // oldest first
		t.peak = max(t.peak, math.Abs(x[peakCentre-1]))
		for p := range t.filter {
			y := 0.0
			for i, h := range &t.filter[p] {
				y += h * x[i]
			}
			t.peak = max(t.peak, math.Abs(y))
		}
	}
}

// PeakDB returns the highest true peak since the start in dBTP.
func (t *TruePeak) PeakDB() float64 {
	peak := math.Float64frombits(t.reading.Load())
	return decibel(peak * peak)
}
