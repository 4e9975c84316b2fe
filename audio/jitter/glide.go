package jitter

import "gasso/audio/resample"

const (
	glideSamples = 2048 // played in a glide, which takes one sample more or less: 0.049 % of pitch
	filterHalf   = 16   // samples on each side that the resampler looks at
	glideFrom    = 5    // samples off the target that start gliding, until none is left
)

// glide makes the delay longer or shorter by a sample, by resampling 43 ms of sound. It begins and
// ends on whole samples, where the resampler gives out exactly what it takes.
type glide struct {
	resampler *resample.Resampler
	direction int // 1 takes a sample more, -1 one less
	done      int // samples given out, glideSamples when idle
	fed       int // samples after the source's read position that the resampler has
	primer    [4 * filterHalf]float32
}

func newGlide() *glide {
	return &glide{resampler: resample.New(2, 1), done: glideSamples}
}

func (g *glide) active() bool { return g.done < glideSamples }

func (g *glide) cancel() { g.done = glideSamples }

// want tells which way to glide when the delay is excess samples too long.
func (g *glide) want(excess int) int {
	switch {
	case excess > glideFrom || excess > 0 && g.direction > 0:
		return 1
	case excess < -glideFrom || excess < 0 && g.direction < 0:
		return -1
	}
	return 0
}

// begin starts a glide where the source is read next; false when too little sound is there.
func (g *glide) begin(s *source, direction, samples int) bool {
	g.direction = direction
	if direction == 0 || !s.ahead(samples+filterHalf+4) {
		return false
	}
	g.resampler.SetRatio(1)
	g.resampler.Process(g.primer[:], s.fifo[2*(s.read-filterHalf):2*(s.read+filterHalf)])
	const tiny = 1e-12 // keeps rounding from ending a hair before a whole sample
	g.resampler.SetRatio(1 / (1 + float64(direction)/glideSamples + tiny))
	g.done, g.fed = 0, filterHalf
	return true
}

// take reads one piece, at most what is left of the glide, and tells by how much the delay changed.
// Where sound to look ahead at is missing the glide ends, at the cost of less than a sample.
func (g *glide) take(s *source, pcm []float32) (longer int) {
	n := len(pcm) / 2
	if !s.ahead(n + filterHalf + 4) {
		g.cancel()
		s.fill(n)
		s.take(pcm)
		return 0
	}
	_, fed := g.resampler.Process(pcm, s.fifo[2*(s.read+g.fed):2*s.end])
	extra := g.extra(g.done+n) - g.extra(g.done)
	g.done += n
	g.fed += fed - n - extra
	s.read += n + extra
	return -extra
}

// extra is how many samples beyond those given out were passed after so many.
func (g *glide) extra(done int) int {
	if g.direction > 0 {
		return done / glideSamples
	}
	return -((done + glideSamples - 1) / glideSamples)
}
