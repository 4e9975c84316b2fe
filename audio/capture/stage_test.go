package capture

import (
	"math"
	"math/rand/v2"
	"testing"
)

// delayed returns a process that does nothing but delay, as a filter bank does.
func delayed(channels, delay int) func([]float32) {
	line := make([]float32, delay*channels)
	return func(pcm []float32) {
		all := append(append([]float32(nil), line...), pcm...)
		copy(pcm, all)
		copy(line, all[len(pcm):])
	}
}

func TestEverySampleComesOutOnceHoweverAStageIsSwitched(t *testing.T) {
	for _, test := range []struct{ channels, block, delay int }{{1, 480, 432}, {2, 480, 480}, {2, 120, 77}, {1, 120, 0}} {
		random := rand.New(rand.NewPCG(1, uint64(test.block)))
		s := newStage(test.channels, test.block, test.delay, nil)
		s.process = delayed(test.channels, test.delay)
		var in, out []float32
		phase := 0.0
		for range 4000 {
			if random.IntN(40) == 0 {
				s.wanted = !s.wanted
			}
			if !s.active { // a canceller kept from before has forgotten everything by now
				s.process = delayed(test.channels, test.delay)
			}
			pcm := make([]float32, (1+random.IntN(300))*test.channels)
			for i := range pcm {
				pcm[i] = float32(math.Sin(phase))
				phase += 0.001
			}
			in = append(in, pcm...)
			buffer := make([]float32, 0, maxPushSamples*test.channels)
			out = append(out, s.push(buffer, pcm)...)
			if waiting := (len(in) - len(out)) / test.channels; waiting > test.block+test.delay {
				t.Fatalf("%+v: %d samples wait, want at most %d", test, waiting, test.block+test.delay)
			}
		}
		for i := range out {
			if math.Abs(float64(out[i]-in[i])) > 1e-6 {
				t.Fatalf("%+v: sample %d is %g, want %g", test, i, out[i], in[i])
			}
		}
	}
}

func TestSwitchingFadesBetweenUnprocessedAndProcessed(t *testing.T) {
	s := newStage(1, 480, 0, func(pcm []float32) { clear(pcm) })
	pcm := make([]float32, 240)
	for i := range pcm {
		pcm[i] = 1
	}
	var out []float32
	for i := range 40 {
		s.wanted = i >= 10 && i < 30
		out = s.push(out, pcm)
	}
	for i := 1; i < len(out); i++ {
		if step := math.Abs(float64(out[i] - out[i-1])); step > 1.0/fadeSamples+1e-6 {
			t.Fatalf("a step of %g at sample %d", step, i)
		}
	}
	if out[0] != 1 || out[20*240] != 0 || out[len(out)-1] != 1 {
		t.Errorf("before %g, while on %g, after %g; want 1, 0, 1", out[0], out[20*240], out[len(out)-1])
	}
}
