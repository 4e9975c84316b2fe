package resample

import (
	"fmt"
	"math"
	"testing"

	"gasso/audio/audiotest"
)

// sine is a tone of freq Hz at -1 dBFS at any rate.
func sine(freq, rate float64, frames, channels int) []float32 {
	pcm := make([]float32, frames*channels)
	for i := range pcm {
		pcm[i] = float32(0.89 * math.Sin(2*math.Pi*freq*float64(i/channels)/rate))
	}
	return pcm
}

// all runs src through in blocks and returns everything that comes out.
func all(r *Resampler, src []float32, dstFrames, srcFrames int) (out []float32) {
	dst := make([]float32, dstFrames*r.channels)
	for len(src) > 0 {
		block := src[:min(len(src), srcFrames*r.channels)]
		for len(block) > 0 {
			written, consumed := r.Process(dst, block)
			out = append(out, dst[:written*r.channels]...)
			block = block[consumed*r.channels:]
			src = src[consumed*r.channels:]
			if written < dstFrames && consumed == 0 {
				return out
			}
		}
	}
	return out
}

func TestTonesStayClean(t *testing.T) {
	tests := []struct {
		rate   float64 // of the input
		freq   float64
		wantDB float64
	}{
		{48000 * (1 + 500e-6), 1000, 98}, {48000 * (1 - 300e-6), 440, 98}, {48000 * (1 + 80e-6), 10000, 95},
		{44100, 1000, 98}, {44100, 12000, 90}, {96000, 1000, 95}, {96000, 15000, 85}, {16000, 1000, 95}, {8000, 700, 95},
	}
	for _, test := range tests {
		for _, channels := range []int{1, 2, 3} {
			r := New(channels, 48000/test.rate)
			out := all(r, sine(test.freq, test.rate, int(test.rate), channels), 240, 480)
			mono := audiotest.Channel(out, channels-1, channels)
			mono = mono[1000 : len(mono)-1000]
			if got := audiotest.SINADDB(mono, test.freq); got < test.wantDB {
				t.Errorf("%g Hz at %g Hz, %d channels: %.1f dB over all the rest, want %g", test.freq, test.rate, channels, got, test.wantDB)
			}
			if got := audiotest.ToneLevelDB(mono, 0, 1, test.freq); math.Abs(got-20*math.Log10(0.89)) > 0.05 {
				t.Errorf("%g Hz at %g Hz: level %.2f dB", test.freq, test.rate, got)
			}
		}
	}
}

func TestWhatTheOutputRateCannotCarryIsTakenOut(t *testing.T) {
	out := all(New(1, 0.5), sine(34000, 96000, 96000, 1), 240, 480)
	if got := audiotest.PeakDB(out[1000:]); got > -80 {
		t.Errorf("34 kHz folds down to 14 kHz at %.1f dB", got)
	}
}

func TestBlocksGiveTheSameOutput(t *testing.T) {
	const frames = 48000
	src := audiotest.Speech(1, -20, frames)
	want := all(New(1, 1.0003), src, frames*2, frames)
	for _, size := range [][2]int{{1, 1}, {7, 480}, {240, 7}, {480, 480}, {1000, 333}, {5000, 10000}} {
		got := all(New(1, 1.0003), src, size[0], size[1])
		if len(got) < len(want)-1 || len(got) > len(want) {
			t.Fatalf("blocks %v: %d frames, want %d", size, len(got), len(want))
		}
		for i := range got {
			if got[i] != want[i] {
				t.Fatalf("blocks %v: sample %d is %g, want %g", size, i, got[i], want[i])
			}
		}
	}
}

func TestTakesWhatTheOutputNeedsAndNoMore(t *testing.T) {
	for _, ratio := range []float64{1, 1.0005, 0.9995, 48000.0 / 44100, 0.5, 3} {
		r := New(2, ratio)
		dst, src := make([]float32, 2*240), make([]float32, 2*2000)
		total, wrote := 0, 0
		for range 400 {
			written, consumed := r.Process(dst, src)
			if written != 240 {
				t.Fatalf("ratio %g: wrote %d of 240", ratio, written)
			}
			total += consumed
			wrote += written
		}
		if want := float64(wrote) / ratio; math.Abs(float64(total)-want) > 2 {
			t.Errorf("ratio %g: took %d frames for %d, want %.0f", ratio, total, wrote, want)
		}
	}
}

func TestRatioMayChangeAtEachCall(t *testing.T) {
	r := New(1, 1)
	src := audiotest.Tone(1000, -6, 96000, 1)
	var out []float32
	dst := make([]float32, 240)
	for i := 0; len(src) > 600; i++ {
		r.SetRatio(1 + 500e-6*math.Sin(float64(i)/20))
		written, consumed := r.Process(dst, src)
		out = append(out, dst[:written]...)
		src = src[consumed:]
	}
	for i := 2; i < len(out)-1; i++ { // a click would bend the curve more than the tone does
		if bend := math.Abs(float64(out[i-1] - 2*out[i] + out[i+1])); i > 100 && bend > 0.0095 {
			t.Fatalf("click of %g at %d", bend, i)
		}
	}
}

func TestLatencyIsAsStated(t *testing.T) {
	r := New(1, 1)
	src := audiotest.Noise(1, -20, 4800, 1)
	dst := make([]float32, 4800)
	written, _ := r.Process(dst, src)
	delay, correlation := audiotest.Delay(src, dst[:written], 60)
	if float64(delay) != r.LatencySamples() || correlation < 0.99 {
		t.Errorf("delay %d (correlation %.3f), stated %g", delay, correlation, r.LatencySamples())
	}
}

func TestNoAllocation(t *testing.T) {
	r := New(2, 1.0001)
	dst, src := make([]float32, 480), make([]float32, 600)
	audiotest.CheckNoAllocs(t, func() { r.Process(dst, src) })
}

func TestImpossibleRatiosAreBounded(t *testing.T) {
	for _, ratio := range []float64{0, -1, math.NaN(), math.Inf(1), 1e-9} {
		r := New(1, ratio)
		r.SetRatio(ratio)
		r.Process(make([]float32, 480), make([]float32, 480)) // must end
	}
}

func BenchmarkProcess10ms(b *testing.B) {
	for _, channels := range []int{1, 2} {
		b.Run(fmt.Sprint(channels), func(b *testing.B) {
			r := New(channels, 1.0001)
			dst, src := make([]float32, 480*channels), make([]float32, 600*channels)
			for b.Loop() {
				r.Process(dst, src)
			}
		})
	}
}
