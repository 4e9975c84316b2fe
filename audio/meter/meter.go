// Package meter measures levels (peak and RMS in dBFS) and loudness (EBU R128, ITU-R BS.1770-4).
package meter

import (
	"math"
	"sync/atomic"
)

// FloorDB is the lowest level that a meter shows; it stands for silence.
const FloorDB = -120.0

const (
	sampleRate     = 48000
	peakFallDB     = 20.0 // a second
	rmsSeconds     = 0.15 // time constant: a step is 86 % there after 300 ms
	tiny           = 1e-24
	greatestSample = 1e4 // what is above, or no number, is a fault and not measured
)

// Level is a reading in dBFS.
type Level struct{ PeakDB, RMSDB float64 }

// Meter measures the level of one signal. One goroutine calls Process, any may call Level.
type Meter struct {
	channels int
	fall     float64 // of the peak in one sample
	follow   float64 // of the mean square in one sample
	peak     float64
	square   float64
	level    [2]atomic.Uint64 // peak and mean square for readers
}

// New returns a meter for interleaved frames of the given number of channels at 48 kHz.
func New(channels int) *Meter {
	return &Meter{
		channels: max(channels, 1),
		fall:     math.Pow(10, -peakFallDB/20/sampleRate),
		follow:   1 - math.Exp(-1/(rmsSeconds*sampleRate)),
	}
}

// Process measures one frame. It neither allocates nor locks.
func (m *Meter) Process(pcm []float32) {
	n := m.channels
	scale := 1 / float64(n)
	peak, square := m.peak, m.square
	for ; len(pcm) >= n; pcm = pcm[n:] {
		peak *= m.fall
		sum := 0.0
		for _, v := range pcm[:n] {
			x := math.Abs(float64(v))
			if !(x <= greatestSample) {
				continue
			}
			peak = max(peak, x)
			sum += x * x
		}
		square += m.follow * (sum*scale - square)
	}
	if square < tiny {
		square = 0 // no denormals
	}
	m.peak, m.square = peak, square
	m.level[0].Store(math.Float64bits(peak))
	m.level[1].Store(math.Float64bits(square))
}

// Level returns the decaying peak and the RMS over about 300 ms of all channels together.
func (m *Meter) Level() Level {
	peak, square := math.Float64frombits(m.level[0].Load()), math.Float64frombits(m.level[1].Load())
	return Level{PeakDB: decibel(peak * peak), RMSDB: decibel(square)}
}

// decibel turns a power into dB, not below the floor.
func decibel(power float64) float64 {
	if power < tiny {
		return FloorDB
	}
	return max(FloorDB, 10*math.Log10(power))
}
