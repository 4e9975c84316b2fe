package capture

import (
	"math"
	"testing"

	"gasso/audio/audiotest"
)

// TestWhatNoMicrophoneShouldDeliverStaysFiniteAndBelowTheCeiling sends each fault through the chain between
// stretches of speech; behind it speech must come out as before.
func TestWhatNoMicrophoneShouldDeliverStaysFiniteAndBelowTheCeiling(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for name, fault := range map[string]func(i int64) float32{
		"not a number":      func(int64) float32 { return nan },
		"infinite":          func(i int64) float32 { return inf * float32(1-2*(i%2)) },
		"some of both":      func(i int64) float32 { return []float32{nan, 0.1, -inf, inf, 1e30}[i%5] },
		"huge":              func(i int64) float32 { return 1e20 * float32(math.Sin(float64(i))) },
		"DC":                func(int64) float32 { return 1 },
		"full-scale square": func(i int64) float32 { return float32(1 - 2*(i/55%2)) },
		"half the rate":     func(i int64) float32 { return float32(1 - 2*(i%2)) },
		"denormals":         func(int64) float32 { return 1e-42 },
	} {
		for _, on := range []Processing{
			{HighPass: true, AutoGainControl: true},
			{HighPass: true, NoiseSuppression: true, AutoGainControl: true},
		} {
			speech := audiotest.Speech(1, -26, 20*sampleRate)
			m := newFakeSource(func(f int64) float32 {
				if f/sampleRate == 6 {
					return fault(f)
				}
				return speech[f%int64(len(speech))]
			})
			cfg := testConfig(m, 2, 240)
			cfg.Engines = NewEngines(model(t))
			c := newCapturer(cfg)
			if err := c.chain.SetProcessing(on); err != nil {
				t.Fatal(err)
			}
			var out []float32
			run(c, m, 17, func(pcm []float32, _ int64, _ bool) { out = append(out, pcm...) })
			cfg.Engines.Close()
			for i, v := range out {
				if !(math.Abs(float64(v)) <= math.Pow(10, ceilingDB/20.0)) {
					t.Fatalf("%s, %+v: sample %d is %g", name, on, i, v)
				}
			}
			before, after := audiotest.RMSDB(out[2*3*sampleRate:2*5*sampleRate]), audiotest.RMSDB(out[2*13*sampleRate:2*16*sampleRate])
			if math.Abs(before-after) > 6 {
				t.Errorf("%s, %+v: speech was at %.1f dBFS before and is at %.1f after", name, on, before, after)
			}
		}
	}
}

func TestHighPassTakesRumbleAndDCAndLeavesTheRest(t *testing.T) {
	for _, test := range []struct{ hz, wantDB, within float64 }{
		{20, -24.1, 0.3}, {80, -3, 0.1}, {160, -0.26, 0.1}, {1000, 0, 0.02}, {15000, 0, 0.02},
	} {
		h := newHighPass(2)
		h.wanted = true
		pcm := audiotest.Tone(test.hz, -6, 3*sampleRate, 2)
		h.process(pcm)
		if got := audiotest.ToneLevelDB(pcm[2*sampleRate:], 1, 2, test.hz) + 6; math.Abs(got-test.wantDB) > test.within {
			t.Errorf("%g Hz comes out at %+.2f dB, want %+.2f", test.hz, got, test.wantDB)
		}
	}
	h := newHighPass(1)
	h.wanted = true
	dc := make([]float32, sampleRate)
	for i := range dc {
		dc[i] = 0.5
	}
	h.process(dc)
	if level := audiotest.PeakDB(dc[sampleRate/2:]); level > -100 {
		t.Errorf("DC comes out at %.1f dBFS", level)
	}
	audiotest.CheckBlockSizes(t, audiotest.Noise(1, -20, sampleRate, 2), 2, 0, func() func([]float32) {
		h := newHighPass(2)
		h.wanted = true
		return h.process
	})
	audiotest.CheckNoAllocs(t, func() { h.process(dc) })
}

func TestHighPassIsSwitchedWithoutClick(t *testing.T) {
	h := newHighPass(1)
	pcm := make([]float32, 240)
	was := float32(0.5)
	for i := range 400 {
		h.wanted = i/100%2 == 1
		for k := range pcm {
			pcm[k] = 0.5
		}
		h.process(pcm)
		for _, v := range pcm {
			if d := math.Abs(float64(v - was)); d > 0.01 {
				t.Fatalf("a step of %.3f", d)
			}
			was = v
		}
	}
}
