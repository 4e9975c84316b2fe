package agc

import (
	"math"
	"testing"

	"gasso/audio/audiotest"
	"gasso/audio/limiter"
	"gasso/audio/meter"
)

const rate = sampleRate

// loudness is the integrated loudness of mono PCM.
func loudness(pcm []float32) float64 {
	l := meter.NewLoudness(1)
	l.Process(pcm)
	return l.Integrated()
}

// run levels pcm in blocks of 10 ms, limiter behind, and returns the gain after each.
func run(a *AGC, pcm []float32, voice float64) (gains []float64) {
	l := limiter.New(1, -1)
	for at := 0; at+480 <= len(pcm); at += 480 {
		a.Process(pcm[at:at+480], voice)
		gains = append(gains, a.GainDB())
		l.Process(pcm[at : at+480])
	}
	return gains
}

func TestSpeechComesOutAtTheTarget(t *testing.T) {
	for _, levelDB := range []float64{-50, -40, -30, -20, -12} {
		for seed := uint64(1); seed <= 3; seed++ {
			pcm := audiotest.Speech(seed, levelDB, 40*rate)
			before := loudness(pcm[10*rate:])
			run(New(1), pcm, 1)
			got := loudness(pcm[10*rate:])
			if seed == 1 {
				t.Logf("speech at %.0f dBFS (%.1f LUFS) comes out at %.1f LUFS", levelDB, before, got)
			}
			if math.Abs(got-targetLUFS) > 1 {
				t.Errorf("speech %d at %.0f dBFS (%.1f LUFS) comes out at %.1f LUFS, want %d +- 1", seed, levelDB, before, got, targetLUFS)
			}
		}
	}
}

func TestLoudInputIsTurnedDown(t *testing.T) {
	a := New(1)
	gains := run(a, audiotest.Speech(1, -8, 15*rate), 1)
	if last := gains[len(gains)-1]; last > -6 {
		t.Errorf("gain of very loud speech is %.1f dB, want at most -6", last)
	}
}

func TestChangeOfLevelIsFollowed(t *testing.T) {
	for _, change := range []float64{-18, 15} {
		pcm := append(audiotest.Speech(1, -28, 20*rate), audiotest.Speech(2, -28+change, 40*rate)...)
		run(New(1), pcm, 1)
		got := loudness(pcm[40*rate:])
		t.Logf("after a change of %+.0f dB speech comes out at %.1f LUFS", change, got)
		if math.Abs(got-targetLUFS) > 1.5 {
			t.Errorf("after a change of %+.0f dB speech comes out at %.1f LUFS", change, got)
		}
	}
}

func TestNoiseInPausesDoesNotPump(t *testing.T) {
	for name, voice := range map[string]float64{"voice unknown": 1, "voice known": 0} {
		a := New(1)
		run(a, audiotest.Speech(1, -30, 15*rate), 1)
		before := a.GainDB()
		gains := run(a, audiotest.Noise(3, -60, 20*rate, 1), voice)
		for _, g := range gains {
			if math.Abs(g-before) > 1 {
				t.Errorf("%s: gain moved from %.1f to %.1f dB in a pause", name, before, g)
				break
			}
		}
	}
}

func TestSteadyNoiseAloneIsNotRaised(t *testing.T) {
	a := New(1)
	gains := run(a, audiotest.Noise(3, -45, 20*rate, 1), 1)
	if g := gains[len(gains)-1]; g > 1 {
		t.Errorf("steady noise is raised by %.1f dB", g)
	}
}

func TestBlockSizeDoesNotMatter(t *testing.T) {
	audiotest.CheckBlockSizes(t, audiotest.Interleave(audiotest.Speech(1, -35, 6*rate), 2), 2, 1e-6, func() func([]float32) {
		a := New(2)
		return func(pcm []float32) { a.Process(pcm, 1) }
	})
}

func TestProcessAllocatesNothing(t *testing.T) {
	a := New(2)
	pcm := audiotest.Noise(1, -30, 480, 2)
	audiotest.CheckNoAllocs(t, func() { a.Process(pcm, 1) })
}

func BenchmarkProcess(b *testing.B) {
	a := New(2)
	pcm := audiotest.Noise(1, -30, 480, 2)
	for b.Loop() {
		a.Process(pcm, 1)
	}
}
