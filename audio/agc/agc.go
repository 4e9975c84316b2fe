// Package agc brings speech to one loudness: it measures what is spoken (BS.1770 K-weighting, 400 ms
// blocks), leaves pauses out of the measurement, and moves a slow gain up or down. Peaks are the
// business of the limiter behind it.
package agc

import (
	"math"
	"sync/atomic"
)

// targetLUFS is the loudness that speech is brought to.
const targetLUFS = -20

const (
	sampleRate   = 48000
	hopSamples   = sampleRate / 10 // one measurement each 100 ms
	blockHops    = 4               // over 400 ms
	floorHops    = 40              // the noise floor is the quietest of 4 s
	stepSamples  = 480             // the gain moves in ramps of 10 ms
	maxGainDB    = 34
	minGainDB    = -24
	firstUpDBS   = 15 // dB a second before the first six seconds of speech are known
	laterUpDBS   = 4
	downDBS      = 20
	silenceLUFS  = -64 // quieter is never speech
	aboveFloorDB = 7   // speech stands out of the noise floor by this much at least
	gateLU       = 10  // what is this much quieter than the speech is a pause (BS.1770 relative gate)
	voiceGate    = 0.4
	longMemory   = 60 // hops of speech that the estimate averages
	shortMemory  = 8  // what is left of them when the performer's level has changed
	changedHops  = 25 // that many hops of speech under the gate mean that the level has changed
	louderLU     = 8  // and so does speech louder by this much
)

// AGC is an automatic gain control for speech at 48 kHz. Process belongs to one goroutine and
// allocates nothing; GainDB may be read anywhere.
type AGC struct {
	channels int
	filters  []kWeighting

	hopLeft   int     // samples until the 100 ms are full
	hopPower  float64 // sum of weighted squares over all channels
	hopVoice  float64 // sum of the voice probability
	hops      [blockHops]float64
	voices    [blockHops]float64
	hopCount  int
	floor     [floorHops]float64
	speech    float64 // mean power of speech at the input
	weight    int     // hops in the mean
	quietHops int     // hops of voice under the gate since the last one above it

	stepLeft  int
	gainDB    float64
	linear    float32
	increment float32
	published atomic.Uint64
}

// New makes a gain control at 0 dB for interleaved PCM of the given number of channels.
func New(channels int) *AGC {
	a := &AGC{
		channels: channels,
		filters:  make([]kWeighting, channels),
		hopLeft:  hopSamples,
		linear:   1,
	}
	for i := range a.floor {
		a.floor[i] = math.Inf(1)
	}
	return a
}

// GainDB is the gain that is applied now, in dB.
func (a *AGC) GainDB() float64 { return math.Float64frombits(a.published.Load()) }

// Process levels pcm in place. voice is the probability from 0 to 1 that it holds speech, 1 when
// nobody knows.
func (a *AGC) Process(pcm []float32, voice float64) {
	for at := 0; at+a.channels <= len(pcm); at += a.channels {
		frame := pcm[at : at+a.channels]
		for ch, x := range frame {
			y := a.filters[ch].next(float64(x))
			a.hopPower += y * y
		}
		a.hopVoice += voice
		if a.hopLeft--; a.hopLeft == 0 {
			a.measure()
		}
		if a.stepLeft == 0 {
			a.step()
		}
		a.stepLeft--
		a.linear += a.increment
		for ch := range frame {
			frame[ch] *= a.linear
		}
	}
}

// measure closes 100 ms and lets the last 400 ms into the estimate when they are speech.
func (a *AGC) measure() {
	slot := a.hopCount % blockHops
	a.hops[slot] = a.hopPower / hopSamples
	a.voices[slot] = a.hopVoice / hopSamples
	a.floor[a.hopCount%floorHops] = a.hops[slot]
	a.hopCount++
	a.hopLeft, a.hopPower, a.hopVoice = hopSamples, 0, 0
	for ch := range a.filters {
		a.filters[ch].settle()
	}
	if a.hopCount < blockHops {
		return
	}
	var power, voice float64
	for i := range a.hops {
		power += a.hops[i] / blockHops
		voice = max(voice, a.voices[i])
	}
	if voice >= voiceGate && a.standsOut(power) {
		a.learn(power)
	}
}

// standsOut tells a block that may be speech from silence and from steady noise.
func (a *AGC) standsOut(power float64) bool {
	floor := a.floor[0]
	for _, p := range a.floor {
		floor = min(floor, p)
	}
	return power > fromLUFS(silenceLUFS) && power > floor*math.Pow(10, aboveFloorDB/10.0)
}

func (a *AGC) learn(power float64) {
	difference := 10 * math.Log10(power/a.speech)
	switch {
	case a.weight == 0:
		a.speech = power
	case difference < -gateLU:
		if a.quietHops++; a.quietHops < changedHops {
			return
		}
		a.speech, a.weight = power, 0
	case difference > louderLU:
		a.weight = min(a.weight, shortMemory)
	}
	a.quietHops = 0
	a.weight = min(a.weight+1, longMemory)
	a.speech += (power - a.speech) / float64(a.weight)
}

// step aims the gain for the next 10 ms.
func (a *AGC) step() {
	a.linear = float32(math.Pow(10, a.gainDB/20)) // no rounding error accumulates
	a.stepLeft = stepSamples
	if a.weight > 2 {
		const second = float64(sampleRate) / stepSamples
		up := laterUpDBS / second
		if a.weight < longMemory {
			up = firstUpDBS / second
		}
		wanted := min(max(targetLUFS-toLUFS(a.speech), minGainDB), maxGainDB)
		a.gainDB += min(max(wanted-a.gainDB, -downDBS/second), up)
	}
	a.increment = (float32(math.Pow(10, a.gainDB/20)) - a.linear) / stepSamples
	a.published.Store(math.Float64bits(a.gainDB))
}

func toLUFS(power float64) float64 { return -0.691 + 10*math.Log10(power) }
func fromLUFS(l float64) float64   { return math.Pow(10, (l+0.691)/10) }

// kWeighting is the two-stage filter of BS.1770-4, annex 1, at 48 kHz.
type kWeighting struct{ x1, x2, y1, y2, z1, z2 float64 }

func (k *kWeighting) next(x float64) float64 {
	y := 1.53512485958697*x - 2.69169618940638*k.x1 + 1.19839281085285*k.x2 + 1.69065929318241*k.y1 - 0.73248077421585*k.y2
	z := y - 2*k.y1 + k.y2 + 1.99004745483398*k.z1 - 0.99007225036621*k.z2
	k.x2, k.x1 = k.x1, x
	k.y2, k.y1 = k.y1, y
	k.z2, k.z1 = k.z1, z
	return z
}

// settle forgets a state so small that it can only be the end of a decay: denormals are slow.
func (k *kWeighting) settle() {
	if math.Abs(k.y1)+math.Abs(k.z1)+math.Abs(k.x1) < 1e-30 {
		*k = kWeighting{}
	}
}
