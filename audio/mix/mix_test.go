package mix

import (
	"math"
	"math/rand"
	"testing"
)

func ones(samples int) []float32 {
	pcm := make([]float32, 2*samples)
	for i := range pcm {
		pcm[i] = 1
	}
	return pcm
}

func TestStripGainAndPan(t *testing.T) {
	for _, c := range []struct {
		name        string
		set         Settings
		left, right float64
	}{
		{"centre leaves the level alone", Settings{}, 1, 1},
		{"gain", Settings{GainDB: -6}, 0.5012, 0.5012},
		{"right", Settings{Pan: 1}, 0, 1},
		{"left", Settings{Pan: -1}, 1, 0},
		{"half right", Settings{Pan: 0.5}, math.Sqrt2 / 2, 1},
		{"mute", Settings{Mute: true}, 0, 0},
		{"bottom of the fader", Settings{GainDB: MinGainDB}, 0, 0},
		{"above the range", Settings{GainDB: 100}, 3.981, 3.981},
		{"gain that is no number", Settings{GainDB: math.NaN()}, 0, 0},
		{"pan that is no number", Settings{Pan: math.NaN()}, 1, 1},
		{"pan out of range", Settings{Pan: math.Inf(-1)}, 1, 0},
	} {
		s := NewStrip()
		s.Set(c.set)
		src, dst := ones(rampSamples+1), make([]float32, 2*rampSamples+2)
		s.Apply(dst, src)
		left, right := float64(dst[2*rampSamples]), float64(dst[2*rampSamples+1])
		if math.Abs(left-c.left) > 1e-3 || math.Abs(right-c.right) > 1e-3 {
			t.Errorf("%s: gains %.4f %.4f, want %.4f %.4f", c.name, left, right, c.left, c.right)
		}
		if nan := math.IsNaN(c.set.GainDB + c.set.Pan); s.Settings() != c.set && !nan {
			t.Errorf("%s: settings are %v", c.name, s.Settings())
		}
	}
}

func TestStripRampsWithoutClick(t *testing.T) {
	s := NewStrip()
	src, dst := ones(100), make([]float32, 200)
	s.Apply(dst, src)
	last := dst[198]
	s.Set(Settings{Mute: true})
	for range 10 {
		s.Apply(dst, src)
		for i := 0; i < 200; i += 2 {
			if d := math.Abs(float64(dst[i] - last)); d > 1.01/rampSamples {
				t.Fatalf("step of %.4f", d)
			}
			last = dst[i]
		}
	}
	if last != 0 {
		t.Errorf("muted output is %v, want exactly 0", last)
	}
	src[0] = float32(math.NaN())
	s.Apply(dst, src)
	if dst[0] != 0 {
		t.Errorf("muted output is %v, want exactly 0", dst[0])
	}
}

func TestAddMatchesApplyAtAnyBlockSize(t *testing.T) {
	rnd := rand.New(rand.NewSource(2))
	src := make([]float32, 2*3000)
	for i := range src {
		src[i] = rnd.Float32() - 0.5
	}
	whole, pieces := NewStrip(), NewStrip()
	set := Settings{GainDB: -9, Pan: 0.3}
	whole.Set(set)
	pieces.Set(set)
	want, got := make([]float32, len(src)), make([]float32, len(src))
	whole.Apply(want, src)
	for at := 0; at < len(src); {
		n := min(len(src)-at, 2*rnd.Intn(300))
		pieces.Add(got[at:at+n], src[at:at+n])
		at += n
	}
	for i := range want {
		if want[i] != got[i] {
			t.Fatalf("sample %d: %v and %v", i, want[i], got[i])
		}
	}
}

func TestMixMinusLeavesNothingOfOneself(t *testing.T) {
	const samples, inputs = 240, 8
	rnd := rand.New(rand.NewSource(3))
	bus := NewBus(480)
	own := make([][]float32, inputs)
	bus.Clear(samples)
	for i := range own {
		own[i] = make([]float32, 2*samples)
		for j := range own[i] {
			own[i][j] = rnd.Float32() - 0.5
		}
		bus.Add(own[i])
	}
	all, minus := make([]float32, 2*samples), make([]float32, 2*samples)
	bus.Mix(all)
	for i := range own {
		bus.MixMinus(minus, own[i])
		for j := range minus {
			want := 0.0
			for k := range own {
				if k != i {
					want += float64(own[k][j])
				}
			}
			if math.Abs(float64(minus[j])-want) > 1e-6 {
				t.Fatalf("input %d sample %d: %v, want %v", i, j, minus[j], want)
			}
			if math.Abs(float64(all[j])-want-float64(own[i][j])) > 1e-6 {
				t.Fatalf("sum at %d is %v", j, all[j])
			}
		}
	}
	bus.Clear(samples)
	bus.Add(own[0])
	bus.MixMinus(minus, own[0])
	for j, v := range minus {
		if v != 0 {
			t.Fatalf("alone in the room, sample %d is %v, want exactly 0", j, v)
		}
	}
}

func TestFramesAllocateNothing(t *testing.T) {
	s, bus, src, dst := NewStrip(), NewBus(480), ones(480), ones(480)
	n := testing.AllocsPerRun(100, func() {
		s.Apply(dst, src)
		s.Add(dst, src)
		bus.Clear(480)
		bus.Add(src)
		bus.MixMinus(dst, src)
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}
