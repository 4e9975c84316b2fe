package meter

import (
	"math"
	"sync/atomic"
)

// Numbers of ITU-R BS.1770-4 and EBU Tech 3341.
const (
	stepSamples    = sampleRate / 10 // blocks of 400 ms overlap by 75 %: one step is 100 ms
	momentarySteps = 4
	shortSteps     = 30
	loudnessOffset = -0.691
	absoluteGate   = -70.0 // LUFS
	relativeGate   = -10.0 // LU
	binsPerLU      = 10
	histogramTop   = 30 // LUFS
)

const histogramBins = (histogramTop - absoluteGate) * binsPerLU

// Loudness measures loudness by EBU R128. One goroutine calls Process, any may call the others.
type Loudness struct {
	channels int
	filters  [2]kWeighting
	sum      float64 // of the squares in the present step
	samples  int     // in the present step
	steps    [shortSteps]float64
	done     int64 // steps so far
	counts   [histogramBins]int64
	powers   [histogramBins]float64 // sums of the blocks' powers
	results  [3]atomic.Uint64       // momentary, short-term, integrated
}

// NewLoudness returns a loudness meter for interleaved frames of one or two channels at 48 kHz.
func NewLoudness(channels int) *Loudness {
	l := &Loudness{channels: min(max(channels, 1), 2)}
	for i := range l.results {
		l.results[i].Store(math.Float64bits(FloorDB))
	}
	return l
}

// Process measures one frame. It neither allocates nor locks.
func (l *Loudness) Process(pcm []float32) {
	n := l.channels
	for ; len(pcm) >= n; pcm = pcm[n:] {
		for c, v := range pcm[:n] {
			x := float64(v)
			if !(math.Abs(x) <= greatestSample) {
				x = 0
			}
			y := l.filters[c].next(x)
			l.sum += y * y
		}
		if l.samples++; l.samples == stepSamples {
			l.endStep()
		}
	}
}

// LUFS is a reading of loudness, FloorDB at least.
type LUFS struct {
	Momentary  float64 // of the last 400 ms
	ShortTerm  float64 // of the last 3 s
	Integrated float64 // gated, since the start
}

// Reading returns all three.
func (l *Loudness) Reading() LUFS {
	return LUFS{Momentary: l.Momentary(), ShortTerm: l.ShortTerm(), Integrated: l.Integrated()}
}

// Momentary returns the loudness of the last 400 ms in LUFS.
func (l *Loudness) Momentary() float64 { return math.Float64frombits(l.results[0].Load()) }

// ShortTerm returns the loudness of the last 3 s in LUFS.
func (l *Loudness) ShortTerm() float64 { return math.Float64frombits(l.results[1].Load()) }

// Integrated returns the gated loudness since the start in LUFS.
func (l *Loudness) Integrated() float64 { return math.Float64frombits(l.results[2].Load()) }

// endStep closes 100 ms: it moves the windows on and, with four steps, adds a block to the gated ones.
func (l *Loudness) endStep() {
	l.steps[l.done%shortSteps] = l.sum / stepSamples
	l.done++
	l.sum, l.samples = 0, 0
	for c := range l.filters {
		l.filters[c].settle()
	}

	momentary := l.mean(momentarySteps)
	l.results[0].Store(math.Float64bits(lufs(momentary)))
	l.results[1].Store(math.Float64bits(lufs(l.mean(shortSteps))))
	if l.done < momentarySteps {
		return
	}
	if bin := int((lufs(momentary) - absoluteGate) * binsPerLU); lufs(momentary) >= absoluteGate {
		bin = min(bin, histogramBins-1)
		l.counts[bin]++
		l.powers[bin] += momentary
		l.results[2].Store(math.Float64bits(l.gated()))
	}
}

// mean returns the mean power of the newest steps; missing ones count as silence.
func (l *Loudness) mean(steps int64) float64 {
	sum := 0.0
	for i := range min(steps, l.done) {
		sum += l.steps[(l.done-1-i)%shortSteps]
	}
	return sum / float64(steps)
}

// gated returns the integrated loudness: the mean of the blocks above the relative gate.
func (l *Loudness) gated() float64 {
	gate := lufs(l.above(0)) + relativeGate
	return lufs(l.above(max(0, int(math.Ceil((gate-absoluteGate)*binsPerLU)))))
}

// above returns the mean power of the blocks from a bin on.
func (l *Loudness) above(bin int) float64 {
	count, sum := int64(0), 0.0
	for i := bin; i < histogramBins; i++ {
		count += l.counts[i]
		sum += l.powers[i]
	}
	if count == 0 {
		return 0
	}
	return sum / float64(count)
}

func lufs(power float64) float64 {
	if power < tiny {
		return FloorDB
	}
	return max(FloorDB, loudnessOffset+10*math.Log10(power))
}

// kWeighting is the pre-filter of BS.1770-4 for one channel at 48 kHz: a high shelf (tables 1),
// then a high pass (table 2), each in transposed direct form II.
type kWeighting struct{ shelf1, shelf2, pass1, pass2 float64 }

func (k *kWeighting) next(x float64) float64 {
	y := 1.53512485958697*x + k.shelf1
	k.shelf1 = -2.69169618940638*x + 1.69065929318241*y + k.shelf2
	k.shelf2 = 1.19839281085285*x - 0.73248077421585*y

	z := y + k.pass1
	k.pass1 = -2*y + 1.99004745483398*z + k.pass2
	k.pass2 = y - 0.99007225036621*z
	return z
}

// settle ends denormals after silence.
func (k *kWeighting) settle() {
	for _, v := range []*float64{&k.shelf1, &k.shelf2, &k.pass1, &k.pass2} {
		if math.Abs(*v) < tiny {
			*v = 0
		}
	}
}
