package audiotest

import (
	"math/rand/v2"
	"testing"
)

// CheckBlockSizes runs input through a new stage for each of several ways to cut it into blocks and
// fails when an output sample differs by more than tolerance from that of one whole block. create
// returns the stage's function, which works in place on interleaved PCM.
func CheckBlockSizes(t testing.TB, input []float32, channels int, tolerance float64, create func() func(pcm []float32)) {
	t.Helper()
	want := append([]float32(nil), input...)
	create()(want)
	for _, size := range []int{1, 7, 64, 120, 240, 441, 480, 960, 0} {
		got := append([]float32(nil), input...)
		process := create()
		rnd := rand.New(rand.NewPCG(7, uint64(size)))
		for rest := got; len(rest) > 0; {
			n := size
			if n == 0 { // at random
				n = 1 + rnd.IntN(1000)
			}
			n = min(n*channels, len(rest))
			process(rest[:n])
			rest = rest[n:]
		}
		for i := range want {
			if d := float64(got[i] - want[i]); d > tolerance || d < -tolerance || d != d {
				t.Errorf("blocks of %d: sample %d of channel %d is %g, in one block it is %g",
					size, i/channels, i%channels, got[i], want[i])
				break
			}
		}
	}
}

// CheckNoAllocs fails when f allocates. It calls f once before it counts.
func CheckNoAllocs(t testing.TB, f func()) {
	t.Helper()
	if n := testing.AllocsPerRun(100, f); n != 0 {
		t.Errorf("%v allocations a call, want none", n)
	}
}
