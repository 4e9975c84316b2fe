package engine

import (
	"math"
	"slices"
	"time"

	"gasso/audio/audiotest"
)

const (
	chirpSamples   = 480 // 10 ms
	chirpEvery     = 12000
	speechSamples  = 9600 // 200 ms of it are looked for at once
	latencyAtMost  = 9600 // samples
	alikeAtLeast   = 0.6  // correlation below is no find: it was concealed, or is a pause
	probeLevelDB   = -12
	chirpFromHertz = 300
	chirpToHertz   = 6000
)

// probe is a signal whose pieces can be found again in what came out.
type probe struct {
	pcm   []float32
	piece int // samples that are looked for,
	every int // beginning at each multiple of it
}

// chirps are short sweeps, one in so many samples.
func chirps(length time.Duration, every int) probe {
	p := probe{pcm: make([]float32, samplesOf(length)), piece: chirpSamples, every: every}
	chirp := make([]float32, chirpSamples)
	peak, phase := math.Pow(10, probeLevelDB/20.0), 0.0
	for i := range chirp {
		at := float64(i) / chirpSamples
		phase += 2 * math.Pi * (chirpFromHertz + (chirpToHertz-chirpFromHertz)*at) / rate
		chirp[i] = float32(peak * math.Sin(phase) * (0.5 - 0.5*math.Cos(2*math.Pi*at)))
	}
	for at := 0; at+chirpSamples <= len(p.pcm); at += every {
		copy(p.pcm[at:], chirp)
	}
	return p
}

// speech is what passes the voice chain.
func speech(seed uint64, length time.Duration) probe {
	return probe{pcm: audiotest.Speech(seed, -20, samplesOf(length)), piece: speechSamples, every: chirpEvery}
}

// latencies finds the pieces from sample from on in what was heard, where offset is the heard sample
// that belongs to the moment of the probe's first, and returns how many samples late each comes.
func (p probe) latencies(heard []float32, offset, from int) (late []float64) {
	for at := (from + p.every - 1) / p.every * p.every; at+p.piece <= len(p.pcm); at += p.every {
		begin := at + offset
		if begin < 0 || begin+latencyAtMost+p.piece > len(heard) {
			continue
		}
		lag, alike := bestLag(p.pcm[at:at+p.piece], heard[begin:begin+latencyAtMost+p.piece])
		if alike >= alikeAtLeast {
			late = append(late, float64(lag))
		}
	}
	return late
}

// bestLag is where piece is most alike in pcm, and how much, from 0 to 1.
func bestLag(piece, pcm []float32) (lag int, alike float64) {
	energy, own := 0.0, 0.0
	for i, v := range piece {
		own += float64(v) * float64(v)
		energy += float64(pcm[i]) * float64(pcm[i])
	}
	for at := 0; at+len(piece) <= len(pcm); at++ {
		sum := float32(0)
		for i, v := range piece {
			sum += v * pcm[at+i]
		}
		if r := float64(sum) / math.Sqrt(own*energy+1e-12); r > alike {
			lag, alike = at, r
		}
		if end := at + len(piece); end < len(pcm) {
			energy += float64(pcm[end])*float64(pcm[end]) - float64(pcm[at])*float64(pcm[at])
			energy = max(energy, 0)
		}
	}
	return lag, alike
}

func samplesOf(d time.Duration) int { return int(d * rate / time.Second) }

func inMS(samples float64) float64 { return samples * 1000 / rate }

// quartiles of figures, 0 without any.
func quartiles(figures []float64) (lower, median, upper float64) {
	if len(figures) == 0 {
		return 0, 0, 0
	}
	sorted := slices.Sorted(slices.Values(figures))
	at := func(share float64) float64 { return sorted[int(math.Round(share*float64(len(sorted)-1)))] }
	return at(0.25), at(0.5), at(0.75)
}
