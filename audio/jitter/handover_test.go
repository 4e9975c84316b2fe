package jitter

import (
	"fmt"
	"sort"
	"testing"
	"time"
)

const (
	pathEnds   = 8 * time.Second
	afterwards = 2 * time.Second
)

// deadPath plays two paths until the faster one ends, and returns the counters before and after and
// what was heard.
func deadPath(cfg Config, slower, dev time.Duration, packet, frame int, seed int64) (before, after Stats, heard []float32) {
	const length = pathEnds + afterwards
	fast := network{seed: seed, packet: packet, length: pathEnds, delay: usualDelay, dev: dev}.flights()
	slow := network{seed: seed + 100, packet: packet, length: length, delay: usualDelay + slower, dev: dev}.flights()
	for i := range slow {
		slow[i].path = PathForwarded
	}
	all := merge(fast, slow)
	p := NewPlayer(cfg, &toneDecoder{})
	heard = listen(p, until(all, pathEnds), pathEnds, frame)
	before = p.Stats()
	heard = append(heard, listenOn(p, all, pathEnds, length, frame)...)
	return before, p.Stats(), heard
}

// In live and studio the end of the faster path costs what the paths differ by, once; to which comes
// what a period of the loudspeaker and the slower path's own jitter make.
func TestEndOfTheFasterPathCostsTheDifferenceOnce(t *testing.T) {
	const ms = time.Millisecond
	for name, cfg := range map[string]Config{"live": Live(), "studio": Studio()} {
		for _, c := range []struct {
			slower, dev time.Duration
			packet      int
		}{
			{2 * ms, 0, 240}, {8 * ms, 0, 240}, {15 * ms, 0, 240}, {30 * ms, 0, 240}, {30 * ms, 0, 120}, {30 * ms, 0, 480}, {40 * ms, 0, 240}, {50 * ms, 0, 240},
			{15 * ms, ms, 240}, {30 * ms, ms, 240}, {30 * ms, 3 * ms, 240}, {40 * ms, ms, 120},
		} {
			for _, frame := range []int{60, 128, 240, 480} {
				t.Run(fmt.Sprintf("%s, %v±%v, packets of %d, frames of %d", name, c.slower, c.dev, c.packet, frame), func(t *testing.T) {
					most := c.slower + samplesToTime(int64(frame))
					if c.dev > 0 {
						most += 3*c.dev + time.Duration(cfg.LateBudget*float64(afterwards))
					}
					for seed := int64(1); seed <= 3; seed++ {
						before, after, heard := deadPath(cfg, c.slower, c.dev, c.packet, frame, seed)
						concealed := samplesToTime(after.ConcealedSamples - before.ConcealedSamples)
						late := after.Late - before.Late
						t.Logf("seed %d: concealed %v, late %d, delay from %v to %v", seed, concealed, late, before.CurrentDelay, after.CurrentDelay)
						if concealed > most || late > 1 {
							t.Errorf("seed %d: %v concealed, want at most %v; %d packets late", seed, concealed, most, late)
						}
						steadyTail(t, heard, time.Second)
					}
				})
			}
		}
	}
}

// A path that ended may come back as slow as the other one, through a relay: then the delay stays.
func TestPathThatComesBackSlowKeepsTheDelay(t *testing.T) {
	const slower, dev, back, length = 30 * time.Millisecond, time.Millisecond, 2 * time.Second, 9 * time.Second
	for seed := int64(1); seed <= 3; seed++ {
		all := network{seed: seed, packet: frame, length: pathEnds, delay: usualDelay, dev: dev}.flights()
		for i, f := range (network{seed: seed + 100, packet: frame, length: pathEnds + length, delay: usualDelay + slower, dev: dev}).flights() {
			f.path = PathForwarded
			all = append(all, f)
			if f.arrival > pathEnds+back { // a little earlier than its copy
				f.path, f.arrival = PathDirect, f.arrival-time.Duration(i%2)*time.Millisecond/4
				all = append(all, f)
			}
		}
		sort.SliceStable(all, func(i, j int) bool { return all[i].arrival < all[j].arrival })
		p := NewPlayer(Live(), &toneDecoder{})
		listen(p, until(all, pathEnds+back), pathEnds+back, 60)
		before := p.Stats()
		listenOn(p, all, pathEnds+back, pathEnds+length, 60)
		after := p.Stats()
		concealed := samplesToTime(after.ConcealedSamples - before.ConcealedSamples)
		t.Logf("seed %d: concealed %v, delay %v", seed, concealed, after.CurrentDelay)
		if concealed > 3*time.Millisecond || after.Late != before.Late {
			t.Errorf("seed %d: %v concealed once the path was back, %d packets late", seed, concealed, after.Late-before.Late)
		}
	}
}
