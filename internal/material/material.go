// Package material synthesises the sound that stands in for performers where there is no microphone:
// a small piece for plucked strings, pad and bass, and two hosts who talk.
package material

import (
	"math"
	"math/rand/v2"
)

// Rate and Channels are those of all material; Seconds is its length, after which it can begin again.
const (
	Rate     = 48000
	Channels = 2
	Seconds  = 30
)

// The piece has 12 bars of four beats at 96 beats a minute, which is 30 s.
const (
	beatSamples = Rate * 60 / 96
	beatsPerBar = 4
	bars        = 12
	samples     = bars * beatsPerBar * beatSamples
	peakDB      = -6.0
)

// chord is a chord of the piece: bass and four voices as MIDI notes.
type chord struct {
	bass   int
	voices [4]int
}

// The chords in D major: a walk away from home and back.
var (
	home   = chord{38, [4]int{57, 62, 66, 69}} // D
	sixth  = chord{35, [4]int{59, 62, 66, 69}} // B minor 7
	fourth = chord{43, [4]int{59, 62, 66, 71}} // G major 7
	second = chord{40, [4]int{55, 59, 62, 67}} // E minor 7
	fifth  = chord{45, [4]int{57, 61, 64, 69}} // A
	third  = chord{42, [4]int{57, 61, 66, 69}} // F sharp minor
)

// scale is the pentatonic scale that melodies walk on, two octaves.
var scale = [...]int{62, 64, 66, 69, 71, 74, 76, 78, 81, 83, 86}

// progression is a chord for each bar.
func progression() [bars]chord {
	return [bars]chord{home, sixth, fourth, fifth, home, third, fourth, fifth, second, sixth, fourth, fifth}
}

// piece is the buffer that instruments add to. Notes that ring past the end go on at the beginning,
// so that the loop has no seam.
type piece struct {
	pcm []float32
	rnd *rand.Rand
}

func newPiece(seed uint64) *piece {
	return &piece{pcm: make([]float32, samples*Channels), rnd: rand.New(rand.NewPCG(seed, 3))}
}

// Music composes and plays the piece that belongs to seed: 30 s of interleaved stereo at 48 kHz with
// peaks of -6 dBFS, made to be looped.
func Music(seed uint64) []float32 {
	p := newPiece(seed)
	for bar, c := range progression() {
		at := bar * beatsPerBar * beatSamples
		p.pad(at, c)
		p.bass(at, c)
		p.arpeggio(at, c)
		p.brush(at)
	}
	p.melody()
	p.normalise()
	return p.pcm
}

// hertz is the pitch of a MIDI note.
func hertz(note int) float64 { return 440 * math.Pow(2, float64(note-69)/12) }

// add mixes one mono sample in at a place from -1 (left) to +1 (right).
func (p *piece) add(at int, v, place float64) {
	angle := (place + 1) * math.Pi / 4
	i := at % samples * Channels
	p.pcm[i] += float32(v * math.Cos(angle))
	p.pcm[i+1] += float32(v * math.Sin(angle))
}

// pad holds a chord for a bar, each voice two sines slightly apart.
func (p *piece) pad(at int, c chord) {
	const length = beatsPerBar*beatSamples + beatSamples
	for n, note := range c.voices {
		freq, place := hertz(note), float64(n)*0.4-0.6
		for i := range length {
			t := float64(i) / Rate
			envelope := math.Sin(math.Pi * float64(i) / length)
			v := math.Sin(2*math.Pi*freq*0.9985*t) + math.Sin(2*math.Pi*freq*1.0015*t) + 0.3*math.Sin(4*math.Pi*freq*t)
			p.add(at+i, 0.05*envelope*v, place)
		}
	}
}

// bass plays the root, the fifth and the octave.
func (p *piece) bass(at int, c chord) {
	for _, note := range [...]struct{ beat, interval int }{{0, 0}, {2, 7}, {3, 12}} {
		freq := hertz(c.bass + note.interval)
		for i := range beatSamples * 2 {
			t := float64(i) / Rate
			envelope := math.Exp(-2.2*t) * (1 - math.Exp(-180*t))
			v := math.Sin(2*math.Pi*freq*t) + 0.4*math.Sin(4*math.Pi*freq*t) + 0.15*math.Sin(6*math.Pi*freq*t)
			p.add(at+note.beat*beatSamples+i, 0.28*envelope*v, 0)
		}
	}
}

// arpeggio plucks the voices of the chord in eighths, in an order drawn for each bar.
func (p *piece) arpeggio(at int, c chord) {
	order := p.rnd.Perm(len(c.voices))
	for eighth := range beatsPerBar * 2 {
		note := c.voices[order[eighth%len(order)]]
		if eighth >= len(order) {
			note += 12
		}
		loudness := 0.3 + 0.08*p.rnd.Float64()
		p.pluck(at+eighth*beatSamples/2, note, loudness, -0.45)
	}
}

// melody walks over the scale in a rhythm of its own, resting now and then.
func (p *piece) melody() {
	step := len(scale) / 2
	for beat := 0; beat < bars*beatsPerBar; {
		length := 1 + p.rnd.IntN(2)
		if p.rnd.IntN(4) > 0 {
			p.pluck(beat*beatSamples, scale[step], 0.5, 0.4)
			if length == 1 && p.rnd.IntN(2) == 0 {
				p.pluck(beat*beatSamples+beatSamples/2, scale[min(step+1, len(scale)-1)], 0.4, 0.4)
			}
		}
		step = max(0, min(len(scale)-1, step+p.rnd.IntN(5)-2))
		beat += length
	}
}

// pluck is a string after Karplus and Strong (1983): noise in a delay line of one period that a low
// pass softens at each turn. A fractional tap keeps it in tune.
func (p *piece) pluck(at, note int, loudness, place float64) {
	period := Rate/hertz(note) - 0.5 // the low pass delays by half a sample
	line := make([]float64, int(period)+2)
	last := 0.0
	for i := range line {
		last = 0.5*last + 0.5*(2*p.rnd.Float64()-1) // softer than white
		line[i] = last
	}
	whole := int(period)
	fraction := period - float64(whole)
	previous := 0.0
	for i := range 3 * Rate {
		n := len(line)
		tap := (1-fraction)*line[(i+n-whole)%n] + fraction*line[(i+n-whole-1)%n]
		v := 0.9985 * 0.5 * (tap + previous)
		previous = tap
		line[i%n] = v
		fade := min(1, float64(3*Rate-i)/(Rate/4))
		p.add(at+i, loudness*fade*v, place)
	}
}

// brush sweeps on the second and fourth beat.
func (p *piece) brush(at int) {
	for beat := 1; beat < beatsPerBar; beat += 2 {
		low := 0.0
		for i := range beatSamples / 2 {
			t := float64(i) / Rate
			noise := 2*p.rnd.Float64() - 1
			low += 0.35 * (noise - low)
			p.add(at+beat*beatSamples+i, 0.09*math.Exp(-14*t)*(1-math.Exp(-300*t))*(noise-low), 0.15)
		}
	}
}

// normalise brings the peak to peakDB.
func (p *piece) normalise() {
	peak := float32(0)
	for _, v := range p.pcm {
		peak = max(peak, v, -v)
	}
	scale := float32(math.Pow(10, peakDB/20)) / peak
	for i := range p.pcm {
		p.pcm[i] *= scale
	}
}
