package limiter

import "math"

// guardRelease is the time in seconds in which a Guard's gain grows by the factor e: 109 dB a second.
const guardRelease = 0.08

// Guard keeps sample peaks below a ceiling without any delay, for a loudspeaker of one's own: the gain
// falls at once and comes back slowly. It looks at samples, not between them; a program for others
// takes a Limiter. It belongs to one goroutine.
type Guard struct {
	channels int
	ceiling  float32
	release  float32
	gain     float32
}

// NewGuard returns a guard for interleaved frames at 48 kHz. No sample passes ceilingDB (dBFS).
func NewGuard(channels int, ceilingDB float64) *Guard {
	return &Guard{
		channels: max(channels, 1),
		ceiling:  float32(math.Pow(10, ceilingDB/20)),
		release:  float32(math.Exp(1 / (guardRelease * sampleRate))),
		gain:     1,
	}
}

// Process limits one frame in place. What is no number, or absurdly high, becomes silence.
func (g *Guard) Process(pcm []float32) {
	n := g.channels
	for ; len(pcm) >= n; pcm = pcm[n:] {
		peak := float32(0)
		for i, v := range pcm[:n] {
			v = max(v, -v)
			if !(v <= greatest) {
				pcm[i], v = 0, 0
			}
			peak = max(peak, v)
		}
		g.gain = min(1, g.gain*g.release)
		if peak*g.gain > g.ceiling {
			g.gain = g.ceiling / peak
		}
		if g.gain == 1 {
			continue
		}
		for i := range pcm[:n] {
			pcm[i] = max(-g.ceiling, min(g.ceiling, pcm[i]*g.gain))
		}
	}
}
