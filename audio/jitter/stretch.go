package jitter

import "math"

const (
	crossFade     = 120 // samples: 2.5 ms
	shortestCut   = 144
	longestCut    = 480 // 10 ms holds a period of 100 Hz
	tooLittle     = -96 // samples off the target that are left to gliding: 2 ms too short,
	tooMuch       = 192 // 4 ms too long
	urgent        = 720 // beyond, a poor match is taken too
	restSamples   = sampleRate / 20
	restAfterMiss = sampleRate / 200
	fairMatch     = 0.8  // while packets come too late,
	goodMatch     = 0.95 // while there is too much
	silentSquares = 5e-7 * crossFade
)

// stretcher makes the signal longer or shorter where it resembles itself.
type stretcher struct{ resting int } // samples until the next cut

// rest counts played samples.
func (t *stretcher) rest(samples int) { t.resting = max(0, t.resting-samples) }

// cut inserts or drops some samples in front of the next ones to be read when the delay is off by
// excess samples, and returns by how many the signal became longer.
func (t *stretcher) cut(s *source, excess, samples int) int {
	if t.resting > 0 || excess > tooLittle && excess < tooMuch || s.run > 0 {
		return 0
	}
	if excess < 0 {
		if !s.ahead(max(samples, crossFade)) {
			return 0
		}
		lag, match := bestLag(s, -1, longestCut)
		if match < fairMatch && excess > -urgent {
			t.resting = restAfterMiss
			return 0
		}
		t.resting = restSamples
		s.insert(lag)
		return lag
	}
	longest := min(longestCut, excess)
	if longest < shortestCut || !s.ahead(longest+crossFade) {
		return 0
	}
	lag, match := bestLag(s, 1, longest)
	if match < goodMatch && excess < urgent {
		t.resting = restAfterMiss
		return 0
	}
	t.resting = restSamples
	s.drop(lag)
	return -lag
}

// bestLag looks backward or forward for the part most like the next samples: by every fourth lag,
// then around the best.
func bestLag(s *source, direction, longest int) (lag int, match float64) {
	lag, match = shortestCut, -1
	try := func(l int) {
		if m := likeness(s, direction*l); m > match {
			lag, match = l, m
		}
	}
	for l := shortestCut; l <= longest; l += 4 {
		try(l)
	}
	around := lag
	for l := max(shortestCut, around-3); l <= min(longest, around+3); l++ {
		try(l)
	}
	return lag, match
}

// likeness is the normalised correlation of the next samples of both channels with those lag later; silence
// is like all.
func likeness(s *source, lag int) float64 {
	a := s.fifo[2*s.read : 2*(s.read+crossFade)]
	b := s.fifo[2*(s.read+lag) : 2*(s.read+lag+crossFade)]
	var ab, aa, bb float64
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		ab += x * y
		aa += x * x
		bb += y * y
	}
	if aa < silentSquares && bb < silentSquares {
		return 1
	}
	return ab / math.Sqrt(aa*bb+1e-12)
}

// insert plays the last lag samples again, after a cross-fade.
func (s *source) insert(lag int) {
	s.makeRoom(lag)
	f := s.fifo
	copy(f[2*(s.read+lag):2*(s.end+lag)], f[2*s.read:2*s.end])
	for i := range 2 * crossFade {
		// what was next now stands lag later; what is faded in was played lag before it
		w := float32(i/2+1) / (crossFade + 1)
		f[2*s.read+i] = f[2*(s.read+lag)+i]*(1-w) + f[2*(s.read-lag)+i]*w
	}
	from := 2 * (s.read - lag + crossFade)
	copy(f[2*(s.read+crossFade):2*(s.read+lag)], f[from:2*s.read])
	s.end += lag
}

// drop leaves out lag samples, with a cross-fade.
func (s *source) drop(lag int) {
	f := s.fifo
	for i := range 2 * crossFade {
		w := float32(i/2+1) / (crossFade + 1)
		f[2*(s.read+lag)+i] = f[2*s.read+i]*(1-w) + f[2*(s.read+lag)+i]*w
	}
	s.read += lag
}

// hold appends concealment or silence without going on in room time.
func (s *source) hold(samples int) {
	s.bridge(samples)
	s.pos -= int64(samples)
	s.broken = true
}

// skip goes on in room time without a sound.
func (s *source) skip(samples int) {
	s.pos += int64(samples)
	s.broken = true
}
