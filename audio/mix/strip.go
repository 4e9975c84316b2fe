// Package mix is the mixing desk: strips with gain, pan and mute, and a bus that also gives each
// contributor everything but itself.
package mix

import (
	"math"
	"sync/atomic"
)

// The range of a strip's gain in dB.
const (
	MinGainDB = -80
	MaxGainDB = 12
)

const rampSamples = 480 // 10 ms at 48 kHz

// Settings are the controls of a strip.
type Settings struct {
	GainDB float64 // MinGainDB (silent) to MaxGainDB
	Pan    float64 // -1 left to +1 right; a balance: the centre leaves both channels alone
	Mute   bool
}

// gains returns the factors of the left and the right channel.
func (s Settings) gains() (left, right float32) {
	if s.Mute || !(s.GainDB > MinGainDB) {
		return 0, 0
	}
	gain := math.Pow(10, min(s.GainDB, MaxGainDB)/20)
	pan := 0.0
	if s.Pan >= -1 && s.Pan <= 1 {
		pan = s.Pan
	} else if !math.IsNaN(s.Pan) { // not a number means centre
		pan = math.Copysign(1, s.Pan)
	}
	return float32(gain * side(pan)), float32(gain * side(-pan))
}

// side returns the factor of a channel when the balance is moved away from it by away, -1 to 1.
func side(away float64) float64 {
	if away <= 0 {
		return 1
	}
	if away >= 1 {
		return 0
	}
	return math.Cos(away * math.Pi / 2)
}

// Strip scales one stereo source. Any goroutine may call Set and Settings, one calls Add and Apply.
type Strip struct {
	settings atomic.Pointer[Settings]
	target   atomic.Uint64 // both gains as float32 bits, left above right

	heading     uint64 // the target of the present ramp
	left, right float32
	stepL       float32
	stepR       float32
	remaining   int // samples of the ramp
}

// NewStrip returns a strip at 0 dB, centre.
func NewStrip() *Strip {
	s := &Strip{}
	s.Set(Settings{})
	s.heading = s.target.Load()
	s.left, s.right = unpack(s.heading)
	return s
}

// Set changes the controls; the sound follows within 10 ms, without a click.
func (s *Strip) Set(settings Settings) {
	s.settings.Store(&settings)
	s.target.Store(pack(settings.gains()))
}

// Settings returns the controls as last set.
func (s *Strip) Settings() Settings { return *s.settings.Load() }

// Add sums the scaled stereo frame src onto bus. Both have the same length.
func (s *Strip) Add(bus, src []float32) {
	n := s.ramp(len(src) / 2)
	for i := 0; i < 2*n; i += 2 {
		s.left += s.stepL
		s.right += s.stepR
		bus[i] += s.left * src[i]
		bus[i+1] += s.right * src[i+1]
	}
	s.arrive(n)
	if s.left == 0 && s.right == 0 && s.remaining == 0 {
		return
	}
	for i := 2 * n; i+1 < len(src); i += 2 {
		bus[i] += s.left * src[i]
		bus[i+1] += s.right * src[i+1]
	}
}

// Apply writes the scaled stereo frame src to dst; the two may be the same.
func (s *Strip) Apply(dst, src []float32) {
	n := s.ramp(len(src) / 2)
	for i := 0; i < 2*n; i += 2 {
		s.left += s.stepL
		s.right += s.stepR
		dst[i] = s.left * src[i]
		dst[i+1] = s.right * src[i+1]
	}
	s.arrive(n)
	if s.left == 0 && s.right == 0 && s.remaining == 0 {
		clear(dst[2*n : len(src)]) // also when src holds something that is no number
		return
	}
	for i := 2 * n; i+1 < len(src); i += 2 {
		dst[i] = s.left * src[i]
		dst[i+1] = s.right * src[i+1]
	}
}

// ramp starts a ramp when the target moved, and returns how many of the next samples belong to one.
func (s *Strip) ramp(samples int) int {
	if target := s.target.Load(); target != s.heading {
		s.heading = target
		left, right := unpack(target)
		s.stepL, s.stepR = (left-s.left)/rampSamples, (right-s.right)/rampSamples
		s.remaining = rampSamples
	}
	return min(s.remaining, samples)
}

// arrive counts a ramp's samples; at its end the gains are exactly the target.
func (s *Strip) arrive(samples int) {
	if s.remaining == 0 {
		return
	}
	if s.remaining -= samples; s.remaining == 0 {
		s.left, s.right = unpack(s.heading)
	}
}

func pack(left, right float32) uint64 {
	return uint64(math.Float32bits(left))<<32 | uint64(math.Float32bits(right))
}

func unpack(v uint64) (left, right float32) {
	return math.Float32frombits(uint32(v >> 32)), math.Float32frombits(uint32(v))
}
