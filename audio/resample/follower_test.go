package resample

import (
	"math"
	"testing"
)

func TestFollowerLearnsTheDriftAndLeavesNoError(t *testing.T) {
	for _, drift := range []float64{-300e-6, 0, 50e-6, 300e-6} {
		const interval, rate = 0.1, 48000
		f := NewFollower(0.3, interval, rate)
		behind, worst := 40.0, 0.0
		for i := range 600 {
			correction := f.Update(behind)
			behind += (drift - correction) * interval * rate
			if math.Abs(correction) > maxCorrect {
				t.Fatalf("a correction of %g", correction)
			}
			if i >= 300 {
				worst = max(worst, math.Abs(behind))
			}
		}
		if worst > 1 || math.Abs(f.Drift()-drift) > 1e-6 {
			t.Errorf("drift of %g: off by %.2f samples after 30 s, learnt %g", drift, worst, f.Drift())
		}
	}
}
