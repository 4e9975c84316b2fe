//go:build aec3

package aec

import (
	"math"
	"testing"

	"gasso/audio/audiotest"
)

const rate = 48000

// room returns what a microphone picks up of far: late by delay samples, gain dB, with some colour.
func room(far []float32, delay int, gainDB float64) []float32 {
	echo := make([]float32, len(far))
	gain := float32(math.Pow(10, gainDB/20))
	taps := []struct {
		late int
		gain float32
	}{{0, 0.8}, {37, -0.35}, {211, 0.25}, {630, -0.12}, {1501, 0.06}}
	for _, tap := range taps {
		for i := delay + tap.late; i < len(far); i++ {
			echo[i] += gain * tap.gain * far[i-delay-tap.late]
		}
	}
	return echo
}

func newCanceller(t testing.TB) *Canceller {
	t.Helper()
	c, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func run(c *Canceller, near, far []float32) []float32 {
	out := append([]float32(nil), near...)
	for at := 0; at+FrameSamples <= len(out); at += FrameSamples {
		c.Process(out[at:at+FrameSamples], far[at:at+FrameSamples])
		if at%(100*FrameSamples) == 0 {
			c.EnhancementDB()
		}
	}
	return out
}

func TestEchoIsCancelled(t *testing.T) {
	for _, delayMS := range []int{15, 40, 120, 250} {
		far := audiotest.Speech(1, -20, 12*rate)
		echo := room(far, delayMS*rate/1000, -6)
		c := newCanceller(t)
		out := run(c, echo, far)
		tail := 6 * rate
		got := audiotest.RMSDB(echo[tail:]) - audiotest.RMSDB(out[tail:])
		t.Logf("delay %d ms: echo %.1f dB quieter, the filter says %.1f", delayMS, got, c.EnhancementDB())
		if got < 20 {
			t.Errorf("delay %d ms: echo is %.1f dB quieter, want at least 20", delayMS, got)
		}
	}
}

func TestNearSpeechStaysAndIsDelayedByTheLatency(t *testing.T) {
	near := audiotest.Speech(2, -24, 8*rate)
	out := run(newCanceller(t), near, make([]float32, len(near)))
	lag, correlation := audiotest.Delay(near[2*rate:4*rate], out[2*rate:4*rate], 2000)
	lost := audiotest.RMSDB(near[2*rate:]) - audiotest.RMSDB(out[2*rate:])
	t.Logf("lag %d samples (correlation %.2f), lost %.1f dB", lag, correlation, lost)
	if lag < LatencySamples-24 || lag > LatencySamples+24 {
		t.Errorf("delay is %d samples, LatencySamples says %d", lag, LatencySamples)
	}
	if math.Abs(lost) > 1.5 {
		t.Errorf("speech lost %.1f dB, want at most 1.5", lost)
	}
}

func TestProcessAllocatesNothing(t *testing.T) {
	c := newCanceller(t)
	near, far := audiotest.Noise(1, -30, FrameSamples, 1), audiotest.Noise(2, -30, FrameSamples, 1)
	audiotest.CheckNoAllocs(t, func() { c.Process(near, far) })
}

func BenchmarkProcess(b *testing.B) {
	c := newCanceller(b)
	near, far := audiotest.Noise(1, -30, FrameSamples, 1), audiotest.Noise(2, -30, FrameSamples, 1)
	for b.Loop() {
		c.Process(near, far)
	}
}
