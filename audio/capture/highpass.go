package capture

import "math"

const (
	highPassHz = 80
	// greatestSample is what a microphone may deliver; more is cut off, what is no number becomes silence.
	greatestSample = 4
)

// highPass takes rumble, plosives and DC out of interleaved PCM: Butterworth, second order, -3 dB at
// 80 Hz (R. Bristow-Johnson, Audio EQ Cookbook). It delays nothing. It is switched by a fade of 10 ms.
type highPass struct {
	channels   int
	b0, a1, a2 float64 // b1 is -2 b0, b2 is b0
	state      [][2]float64
	wanted     bool
	fade       float32 // 0 unfiltered, 1 filtered
}

func newHighPass(channels int) *highPass {
	w := 2 * math.Pi * highPassHz / sampleRate
	alpha := math.Sin(w) / math.Sqrt2
	return &highPass{
		channels: channels,
		b0:       (1 + math.Cos(w)) / 2 / (1 + alpha),
		a1:       -2 * math.Cos(w) / (1 + alpha),
		a2:       (1 - alpha) / (1 + alpha),
		state:    make([][2]float64, channels),
	}
}

// process filters pcm in place (transposed direct form II).
func (h *highPass) process(pcm []float32) {
	if !h.wanted && h.fade == 0 {
		return
	}
	target := float32(0)
	if h.wanted {
		target = 1
	}
	const step = 1.0 / fadeSamples
	fade := h.fade
	for ch := range h.channels {
		s1, s2 := h.state[ch][0], h.state[ch][1]
		fade = h.fade
		for i := ch; i < len(pcm); i += h.channels {
			x := float64(pcm[i])
			v := h.b0 * x
			y := v + s1
			s1 = s2 - 2*v - h.a1*y
			s2 = v - h.a2*y
			if fade != target {
				fade += min(max(target-fade, -step), step)
			}
			pcm[i] += fade * (float32(y) - pcm[i])
		}
		h.state[ch] = [2]float64{settled(s1), settled(s2)}
	}
	if h.fade = fade; fade == 0 {
		clear(h.state)
	}
}

// settled ends denormals after silence.
func settled(x float64) float64 {
	if math.Abs(x) < 1e-30 {
		return 0
	}
	return x
}

// clean makes everything in pcm a number that the filters can take.
func clean(pcm []float32) {
	for i, x := range pcm {
		if !(x >= -greatestSample && x <= greatestSample) {
			if x != x || x > math.MaxFloat32 || x < -math.MaxFloat32 {
				pcm[i] = 0
				continue
			}
			pcm[i] = min(max(x, -greatestSample), greatestSample)
		}
	}
}
