package limiter

import (
	"math"
	"math/rand"
	"testing"
)

func stereo(samples int, at func(i int) float64) []float32 {
	pcm := make([]float32, 2*samples)
	for i := range samples {
		pcm[2*i], pcm[2*i+1] = float32(at(i)), float32(-at(i))
	}
	return pcm
}

// oversampledPeak looks at the signal 16 times as densely, with a long interpolator.
func oversampledPeak(pcm []float32) float64 {
	const half, steps = 32, 16
	peak := 0.0
	for i := half; i < len(pcm)/2-half; i++ {
		for s := range steps {
			y, f := 0.0, float64(s)/steps
			for k := -half; k < half; k++ {
				x := float64(k) - f
				h := 1.0
				if x != 0 {
					h = math.Sin(math.Pi*x) / (math.Pi * x)
				}
				y += float64(pcm[2*(i+k)]) * h * (0.5 + 0.5*math.Cos(math.Pi*x/(half+1)))
			}
			peak = max(peak, math.Abs(y))
		}
	}
	return peak
}

func TestBelowTheCeilingNothingChanges(t *testing.T) {
	l := New(2, -1)
	in := stereo(4800, func(i int) float64 { return 0.5 * math.Sin(float64(i)*0.1) })
	out := append([]float32(nil), in...)
	l.Process(out)
	for i := 2 * l.LatencySamples(); i < len(out); i++ {
		if out[i] != in[i-2*l.LatencySamples()] {
			t.Fatalf("sample %d changed", i)
		}
	}
	if l.GainReductionDB() != 0 {
		t.Errorf("gain reduction %v", l.GainReductionDB())
	}
}

func TestTruePeaksStayBelowTheCeiling(t *testing.T) {
	rnd := rand.New(rand.NewSource(1))
	noise, sign := 0.0, 1.0
	for name, at := range map[string]func(int) float64{
		"white noise":              func(int) float64 { return rnd.NormFloat64() },
		"loud tone":                func(i int) float64 { return 4 * math.Sin(2*math.Pi*997*float64(i)/sampleRate) },
		"quarter rate, 45 degrees": func(i int) float64 { return math.Sqrt2 * 0.95 * math.Sin(math.Pi/2*float64(i)+math.Pi/4) },
		"bursts": func(i int) float64 {
			if i/700%2 == 0 {
				return 0.1 * math.Sin(float64(i))
			}
			return 3 * math.Sin(float64(i)*0.7)
		},
		"music-like noise": func(int) float64 {
			noise = 0.6*noise + rnd.NormFloat64()
			return noise
		},
		"impulses": func(i int) float64 {
			if i%331 == 0 {
				sign = -sign
				return 5 * sign
			}
			return 0
		},
	} {
		l := New(2, -1)
		pcm := stereo(4*9600, at)
		l.Process(pcm)
		if peak := 20 * math.Log10(oversampledPeak(pcm)); peak > -1 {
			t.Errorf("%s: true peak %.2f dB, ceiling -1 dB", name, peak)
		}
		sample := 0.0
		for _, v := range pcm {
			sample = max(sample, math.Abs(float64(v)))
		}
		if sample > math.Pow(10, -1.0/20) {
			t.Errorf("%s: sample peak %.4f", name, sample)
		}
	}
}

func TestGainComesBack(t *testing.T) {
	l := New(2, -1)
	l.Process(stereo(4800, func(i int) float64 { return 2 * math.Sin(float64(i)*0.1) }))
	if r := l.GainReductionDB(); r < 7 || r > 7.6 {
		t.Errorf("gain reduction %.2f dB, want 7 and the reserve for peaks between the samples", r)
	}
	l.Process(make([]float32, 2*sampleRate))
	l.Process(make([]float32, 2*480))
	if r := l.GainReductionDB(); r > 0.01 {
		t.Errorf("gain reduction %.3f dB after a second of silence", r)
	}
}

func TestBlockSizeDoesNotMatter(t *testing.T) {
	in := stereo(5000, func(i int) float64 { return 2 * math.Sin(float64(i)*float64(i)*1e-5) })
	whole, pieces := append([]float32(nil), in...), append([]float32(nil), in...)
	New(2, -1).Process(whole)
	l, rnd := New(2, -1), rand.New(rand.NewSource(4))
	for rest := pieces; len(rest) > 0; {
		n := min(len(rest), 2*rnd.Intn(500))
		l.Process(rest[:n])
		rest = rest[n:]
	}
	for i := range whole {
		if whole[i] != pieces[i] {
			t.Fatalf("sample %d: %v and %v", i, whole[i], pieces[i])
		}
	}
}

func TestFaultsBecomeSilence(t *testing.T) {
	l := New(2, -1)
	pcm := stereo(2000, func(i int) float64 { return 0.1 * math.Sin(float64(i)*0.1) })
	pcm[100], pcm[203] = float32(math.NaN()), float32(math.Inf(1))
	l.Process(pcm)
	for i, v := range pcm {
		if !(math.Abs(float64(v)) <= 1) {
			t.Fatalf("sample %d is %v", i, v)
		}
	}
}

func TestProcessAllocatesNothing(t *testing.T) {
	l, pcm := New(2, -1), stereo(480, func(i int) float64 { return 2 * math.Sin(float64(i)) })
	if n := testing.AllocsPerRun(100, func() { l.Process(pcm) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkProcess10ms(b *testing.B) {
	l := New(2, -1)
	loud := stereo(480, func(i int) float64 { return 2 * math.Sin(float64(i)*0.1) })
	pcm := make([]float32, len(loud))
	b.ReportAllocs()
	for b.Loop() {
		copy(pcm, loud)
		l.Process(pcm)
	}
}
