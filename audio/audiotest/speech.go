package audiotest

import (
	"math"
	"math/rand/v2"
)

// vowels are the first two formants of some vowels in Hz.
var vowels = [...][2]float64{{730, 1090}, {270, 2290}, {300, 870}, {530, 1840}, {570, 840}, {660, 1720}}

// talker is a source of glottal pulses through two formants, cut into syllables.
type talker struct {
	rnd       *rand.Rand
	amplitude float64
	pitchHz   float64
	phase     float64
	formants  [2]resonance
}

// resonance is a two-pole filter.
type resonance struct{ b, a1, a2, y1, y2 float64 }

func newTalker(seed uint64, levelDB float64) *talker {
	rnd := rand.New(rand.NewPCG(seed, 2))
	return &talker{rnd: rnd, amplitude: math.Pow(10, levelDB/20), pitchHz: 95 + 130*rnd.Float64()}
}

// tune sets the filter to a formant of freq Hz and bandwidth Hz with a gain of about 1 at its peak.
func (r *resonance) tune(freq, bandwidth float64) {
	radius := math.Exp(-math.Pi * bandwidth / Rate)
	r.a1 = 2 * radius * math.Cos(2*math.Pi*freq/Rate)
	r.a2 = -radius * radius
	r.b = (1 - radius*radius) * math.Sin(2*math.Pi*freq/Rate)
}

func (r *resonance) filter(x float64) float64 {
	y := r.b*x + r.a1*r.y1 + r.a2*r.y2
	r.y2, r.y1 = r.y1, y
	return y
}

func (t *talker) speak(samples int) []float32 {
	pcm := make([]float32, 0, samples+Rate)
	for len(pcm) < samples {
		for range 2 + t.rnd.IntN(6) { // a phrase
			pcm = t.syllable(pcm)
		}
		pause := int((0.15 + 0.5*t.rnd.Float64()) * Rate)
		pcm = append(pcm, make([]float32, pause)...)
	}
	return pcm[:samples:samples]
}

// syllable appends a consonant of noise and a vowel of 90 to 260 ms, its RMS at the talker's level.
func (t *talker) syllable(pcm []float32) []float32 {
	start := len(pcm)
	for range int((0.02 + 0.06*t.rnd.Float64()) * Rate) {
		pcm = append(pcm, float32(0.15*t.rnd.NormFloat64()))
	}
	vowel := vowels[t.rnd.IntN(len(vowels))]
	t.formants[0].tune(vowel[0], 80)
	t.formants[1].tune(vowel[1], 120)
	length := int((0.09 + 0.17*t.rnd.Float64()) * Rate)
	pitchHz := t.pitchHz * (0.85 + 0.3*t.rnd.Float64())
	sum := 0.0
	vowelStart := len(pcm)
	for i := range length {
		t.phase += pitchHz / Rate
		pulse := 0.02 * t.rnd.NormFloat64()
		if t.phase >= 1 {
			t.phase--
			pulse++
		}
		envelope := math.Sin(math.Pi * float64(i) / float64(length))
		v := envelope * (t.formants[0].filter(pulse) + 0.5*t.formants[1].filter(pulse))
		sum += v * v
		pcm = append(pcm, float32(v))
	}
	scale := float32(t.amplitude / math.Sqrt(sum/float64(length)))
	for i := start; i < vowelStart; i++ {
		pcm[i] *= float32(t.amplitude)
	}
	for i := vowelStart; i < len(pcm); i++ {
		pcm[i] *= scale
	}
	return pcm
}
