package congestion

import (
	"testing"
	"time"
)

func TestWhatABudgetBuys(t *testing.T) {
	studio := Asked{BitrateBPS: 96_000, FrameSamples: 120, MayRest: true}
	only := Asked{BitrateBPS: 96_000, FrameSamples: 240} // peer to peer: no path may rest
	for _, c := range []struct {
		name           string
		cfg            Config
		asked          Asked
		direct, copies int
		budget         float64
		want           Decision
	}{
		{"no limit", Config{}, voice, 3, 0, 0, Decision{BitrateBPS: 96_000, MaxCopies: 3, FrameSamples: 240, Direct: 3, Full: true}},
		{"a ceiling", Config{CeilingBPS: 48_000}, voice, 1, 0, 0, Decision{BitrateBPS: 48_000, MaxCopies: 3, FrameSamples: 240, Direct: 1, Full: true}},
		{"plenty", Config{}, voice, 1, 0, 5e6, Decision{BitrateBPS: 96_000, MaxCopies: 3, FrameSamples: 240, Direct: 1, Full: true}},
		{"fewer copies and less bitrate", Config{}, voice, 1, 0, 400_000, Decision{BitrateBPS: 84_000, MaxCopies: 0, FrameSamples: 240, Direct: 1}},
		{"copies cost bitrate", Config{}, voice, 0, 1, 230_000, Decision{BitrateBPS: 52_000, MaxCopies: 1, FrameSamples: 240}},
		{"longer packets", Config{}, voice, 1, 0, 250_000, Decision{BitrateBPS: 64_000, FrameSamples: 480, Direct: 1}},
		{"longer packets of studio", Config{}, studio, 0, 0, 200_000, Decision{BitrateBPS: 84_000, FrameSamples: 240}},
		{"a path rests", Config{}, voice, 2, 0, 230_000, Decision{BitrateBPS: 56_000, FrameSamples: 480, Direct: 1}},
		{"the server alone", Config{}, voice, 4, 0, 120_000, Decision{BitrateBPS: 60_000, FrameSamples: 480}},
		{"the longest packets", Config{}, voice, 4, 0, 90_000, Decision{BitrateBPS: 60_000, FrameSamples: 960}},
		{"no path may rest", Config{}, only, 2, 0, 250_000, Decision{BitrateBPS: 52_000, FrameSamples: 960, Direct: 2}},
		{"the floor of speech", Config{}, voice, 1, 0, 50_000, Decision{BitrateBPS: 24_000, FrameSamples: 960, Short: true}},
		{"the floor of music", Config{}, music, 1, 0, 95_000, Decision{BitrateBPS: 64_000, FrameSamples: 960}},
		{"the floor of music gives way", Config{}, music, 1, 0, 64_000, Decision{BitrateBPS: 32_000, FrameSamples: 960}},
		{"but no further than that of speech", Config{}, music, 1, 0, 50_000, Decision{BitrateBPS: 24_000, FrameSamples: 960, Short: true}},
		{"a floor that was set does not", Config{FloorBPS: 64_000}, music, 1, 0, 90_000, Decision{BitrateBPS: 64_000, FrameSamples: 960, Short: true}},
		{"music rests sooner", Config{}, music, 1, 0, 250_000, Decision{BitrateBPS: 192_000, FrameSamples: 480}},
		{"a floor of one's own", Config{FloorBPS: 16_000}, voice, 0, 0, 47_000, Decision{BitrateBPS: 16_000, FrameSamples: 960}},
		{"a floor above what is asked for", Config{FloorBPS: 300_000}, voice, 0, 0, 500_000, Decision{BitrateBPS: 96_000, MaxCopies: 3, FrameSamples: 240, Full: true}},
	} {
		paths := make([]Path, c.direct+1)
		for i := range paths {
			paths[i] = Path{Server: i == 0, Copies: c.copies}
		}
		var p policy
		now := time.Unix(1e9, 0)
		p.choose(&c.cfg, paths, c.asked, 0, now)
		got := p.choose(&c.cfg, paths, c.asked, c.budget, now.Add(time.Second))
		got.needBPS, got.leastBPS = 0, 0
		if got != c.want {
			t.Errorf("%s: got %+v, want %+v", c.name, got, c.want)
		}
	}
}

// A better choice waits until there is clearly room for it, for a while.
func TestABetterChoiceWaits(t *testing.T) {
	paths := []Path{{Server: true}, {}}
	now := time.Unix(1e9, 0)
	var p policy
	cfg := &Config{}
	choose := func(budget float64, after time.Duration) Decision {
		now = now.Add(after)
		return p.choose(cfg, paths, voice, budget, now)
	}
	choose(0, 0)
	if d := choose(150_000, time.Second); d.Direct != 0 || d.FrameSamples != 480 {
		t.Fatalf("150 kbit/s buy %+v", d)
	}
	for range 100 { // just enough for a path more, but not clearly
		if d := choose(200_000, 100*time.Millisecond); d.Direct != 0 {
			t.Fatal("a path comes back without a margin")
		}
	}
	choose(240_000, 100*time.Millisecond)
	if d := choose(240_000, time.Second); d.Direct != 0 {
		t.Fatal("a path comes back at once")
	}
	choose(150_000, 100*time.Millisecond) // and the while begins anew
	choose(240_000, 100*time.Millisecond)
	if d := choose(240_000, 1900*time.Millisecond); d.Direct != 0 {
		t.Fatal("a path comes back before its time")
	}
	if d := choose(240_000, 200*time.Millisecond); d.Direct != 1 {
		t.Fatal("the path does not come back")
	}
}
