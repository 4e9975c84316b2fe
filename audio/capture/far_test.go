package capture

import (
	"math"
	"testing"

	"gasso/audio/aec"
	"gasso/audio/ring"
)

func TestFarEndStaysInStepWhileTheCancellerIsOff(t *testing.T) {
	loudspeaker := ring.New(16384, 1)
	ramp := make([]float32, 8000)
	for i := range ramp {
		ramp[i] = float32(i)
	}
	f := newFarEnd(loudspeaker)
	f.pass(100, 0) // before it was ever on it does nothing
	f.resume()
	loudspeaker.Write(ramp)
	block := make([]float32, aec.FrameSamples)
	f.next(block, len(ramp)) // all of it belongs to what waits
	for range 3 {
		last := float64(block[len(block)-1])
		for _, samples := range []int{240, 1, 700, 359} {
			f.pass(samples, loudspeaker.Len())
		}
		f.resume()
		f.next(block, loudspeaker.Len())
		if got := float64(block[0]) - last; math.Abs(got-1301) > 0.01 {
			t.Errorf("the next block begins %.2f samples on, want 1301", got)
		}
	}
}
