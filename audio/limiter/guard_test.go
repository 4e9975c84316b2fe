package limiter

import (
	"math"
	"testing"

	"gasso/audio/audiotest"
)

func TestGuardHoldsTheCeilingWithoutDelay(t *testing.T) {
	ceiling := math.Pow(10, -1/20.0)
	for _, levelDB := range []float64{-20, -1.1, 0, 6, 24, 60} {
		input := audiotest.Tone(997, levelDB, sampleRate, 2)
		pcm := append([]float32(nil), input...)
		NewGuard(2, -1).Process(pcm)
		peak := 0.0
		for _, v := range pcm {
			peak = max(peak, math.Abs(float64(v)))
		}
		if peak > ceiling+1e-6 {
			t.Errorf("%.1f dB: peaks of %.4f, the ceiling is %.4f", levelDB, peak, ceiling)
		}
		if levelDB < -1 {
			for i := range pcm {
				if pcm[i] != input[i] {
					t.Fatalf("%.1f dB: sample %d is changed from %v to %v", levelDB, i, input[i], pcm[i])
				}
			}
			continue
		}
		// what comes later than the first period is a sine again, at the ceiling
		mono := audiotest.Channel(pcm, 0, 2)[sampleRate/10:]
		if sinad := audiotest.SINADDB(mono, 997); sinad < 35 {
			t.Errorf("%.1f dB: the tone comes out with %.1f dB of distortion", levelDB, sinad)
		}
		if lag, alike := audiotest.Delay(audiotest.Channel(input, 0, 2)[4800:9600], audiotest.Channel(pcm, 0, 2)[4800:9700], 40); lag != 0 || alike < 0.99 {
			t.Errorf("%.1f dB: %d samples late, correlation %.2f", levelDB, lag, alike)
		}
	}
}

func TestGuardComesBackAndTakesWhatIsNoNumber(t *testing.T) {
	g := NewGuard(2, -1)
	g.Process([]float32{8, 8, float32(math.NaN()), 1, float32(math.Inf(-1)), 0.5})
	quiet := make([]float32, 2*sampleRate)
	for i := range quiet {
		quiet[i] = 0.5
	}
	g.Process(quiet)
	if quiet[0] > 0.1 || quiet[len(quiet)-1] != 0.5 {
		t.Errorf("after a peak 0.5 is %v at first and %v a second later", quiet[0], quiet[len(quiet)-1])
	}
	bad := []float32{float32(math.NaN()), float32(math.Inf(1)), 0.25, 0.25}
	g.Process(bad)
	if bad[0] != 0 || bad[1] != 0 || bad[2] != 0.25 || bad[3] != 0.25 {
		t.Errorf("what is no number becomes %v", bad)
	}
}

func TestGuardKeepsItsContract(t *testing.T) {
	audiotest.CheckBlockSizes(t, audiotest.Noise(1, 6, 9600, 2), 2, 0, func() func([]float32) { return NewGuard(2, -1).Process })
	g, pcm := NewGuard(2, -1), audiotest.Noise(2, 6, 120, 2)
	audiotest.CheckNoAllocs(t, func() { g.Process(pcm) })
}
