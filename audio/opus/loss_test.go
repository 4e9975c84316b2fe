package opus

import (
	"math"
	"testing"
)

// levelAfterLoss is the greatest error of a tone's level, in dB, from 2.5 to 20 ms after lost packets.
func levelAfterLoss(t *testing.T, independent bool) (worst float64) {
	const hz, frame, packets, period = 1000, 240, 2000, 48
	cfg := EncoderConfig{Channels: 1, BitrateBPS: 96000, FrameSamples: frame, Complexity: 5, Application: LowDelay, Independent: independent}
	e, d := newPair(t, cfg)
	pcm := make([]float32, packets*frame)
	for i := range pcm {
		pcm[i] = float32(0.5 * math.Sin(2*math.Pi*hz*float64(i)/SampleRate))
	}
	out, lost := make([]float32, frame), -packets
	for i, payload := range encodeAll(t, e, pcm) {
		if i%23 == 22 {
			lost = i
			if err := d.Conceal(out); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if _, err := d.Decode(out, payload); err != nil {
			t.Fatal(err)
		}
		from := 0
		if i == lost+1 {
			from = frame / 2
		}
		for ; i <= lost+4 && from+period <= frame; from += period {
			sum := 0.0
			for k := from; k < from+period; k++ {
				sum += float64(out[k]) * float64(out[k])
			}
			worst = max(worst, math.Abs(10*math.Log10(sum/period/0.125)))
		}
	}
	return worst
}

func TestIndependentPacketsAreRightAfterALoss(t *testing.T) {
	without, with := levelAfterLoss(t, false), levelAfterLoss(t, true)
	t.Logf("greatest error of the level after losses: %.2f dB, %.2f dB when packets are independent", without, with)
	if with > 1 {
		t.Errorf("level is off by %.2f dB", with)
	}
	if without < 2*with {
		t.Errorf("dependent packets do as well: %.2f and %.2f dB", without, with)
	}
}
