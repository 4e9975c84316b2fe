package jitter

import (
	"fmt"
	"io"
	"time"

	"gasso/audio/jitter"
	"gasso/internal/bench/table"
	"gasso/internal/netsim"
)

const (
	stepUp      = time.Minute     // the jitter grows,
	stepDown    = 2 * time.Minute // falls again,
	stepEnd     = 3 * time.Minute // and the end
	settled     = 10 * time.Second
	backSpan    = 30 * time.Second
	backMS      = 3.0
	mostLate    = 3
	driftLength = 30 * time.Minute
	driftPPM    = 200
	levelMS     = 2.0
	pitchError  = 0.001
	aloneEvery  = 20 * time.Second // stalls so far apart that each is alone
	stallLength = 60 * time.Millisecond
	backFrom    = 3 * time.Second
)

// Step prints how our buffer follows changes of the network and of clocks.
func Step(w io.Writer) error {
	drawn := firstSeeds(seeds)
	t := table.New(w, fmt.Sprintf("step, drift (simulated): the worst of seeds %v", drawn), "case", "figure")
	steps(t, drawn)
	stalls(t, drawn)
	for _, ppm := range []float64{driftPPM, -driftPPM} {
		drifts(t, drawn, ppm)
	}
	return t.Err()
}

// steps lets the jitter grow and fall again.
func steps(t *table.Table, drawn []uint64) {
	quiet, rough := netsim.Conditions{Delay: 10 * ms, Jitter: ms}, netsim.Conditions{Delay: 10 * ms, Jitter: 8 * ms}
	n := network{name: "jitter 1, 8, 1 ms", steps: []netsim.Step{
		{Conditions: quiet}, {At: stepUp, Conditions: rough}, {At: stepDown, Conditions: quiet}}}
	late, back := make([]int64, len(drawn)), make([]float64, len(drawn))
	each(drawn, func(i int, seed uint64) {
		o := newOurs(n, seed, newListener())
		track := follow(o)
		o.run(stepEnd)
		late[i] = track.lateUntilHeld(stepUp, jitter.Live().LateBudget)
		before := track.mean(stepUp-settled, stepUp)
		back[i] = track.mean(stepDown+backSpan-time.Second, stepDown+backSpan) - before
	})
	worst, most := late[0], back[0]
	for i := range drawn {
		worst, most = max(worst, late[i]), max(most, back[i])
	}
	t.Row([]string{"jitter from ±1 to ±8 ms", "late packets until the target holds"}, fmt.Sprintf("<= %d", mostLate), fmt.Sprint(worst), worst <= mostLate)
	t.Row([]string{"jitter from ±8 to ±1 ms", fmt.Sprintf("above the delay before, after %v", backSpan)},
		fmt.Sprintf("<= %.0f ms", backMS), fmt.Sprintf("%.1f ms", most), most <= backMS)
}

// stalls holds everything back now and then.
func stalls(t *table.Table, drawn []uint64) {
	n := always("Wi-Fi", netsim.Conditions{Delay: 2 * ms, Jitter: ms, InOrder: true, StallEvery: aloneEvery, Stall: stallLength})
	back := make([]time.Duration, len(drawn))
	each(drawn, func(i int, seed uint64) {
		o := newOurs(n, seed, newListener())
		track := follow(o)
		o.run(length)
		usual := medianOf(track.span(warmUp, length))
		for at := aloneEvery; at+aloneEvery <= length; at += aloneEvery {
			back[i] = max(back[i], track.backAfter(at+stallLength, usual+backMS))
		}
	})
	worst := back[0]
	for _, b := range back {
		worst = max(worst, b)
	}
	t.Row([]string{fmt.Sprintf("Wi-Fi stalls of %v every %v", stallLength, aloneEvery), fmt.Sprintf("until within %.0f ms of the usual delay", backMS)},
		fmt.Sprintf("<= %v", backFrom), fmt.Sprintf("%.1f s", worst.Seconds()), worst <= backFrom)
}

// drifts plays on a device whose clock is off.
func drifts(t *table.Table, drawn []uint64, ppm float64) {
	n := always("drift", netsim.Conditions{Delay: 10 * ms, Jitter: 3 * ms})
	tracks, skips := make([]*track, len(drawn)), make([]int64, len(drawn))
	each(drawn, func(i int, seed uint64) {
		o := newOurs(n, seed, newListener())
		o.drift = 1 + ppm*1e-6
		tracks[i] = follow(o)
		o.run(driftLength)
		skips[i] = o.player.Stats().Resyncs
	})
	strays, pitch, all := 0.0, 0.0, int64(0)
	for i, track := range tracks {
		strays, pitch, all = max(strays, track.strays(time.Minute)), max(pitch, track.pitch), all+skips[i]
	}
	name := fmt.Sprintf("clock off by %+.0f ppm for %v", ppm, driftLength)
	t.Row([]string{name, "skips"}, "0", fmt.Sprint(all), all == 0)
	t.Row([]string{name, "delay off its median"}, fmt.Sprintf("<= %.0f ms", levelMS), fmt.Sprintf("%.1f ms", strays), strays <= levelMS)
	t.Row([]string{name, "error of the pitch"}, fmt.Sprintf("<= %.1f %%", 100*pitchError), fmt.Sprintf("%.3f %%", 100*pitch), pitch <= pitchError)
}

// each does something for every seed on all cores.
func each(drawn []uint64, do func(i int, seed uint64)) {
	jobs := make([]func(), len(drawn))
	for i, seed := range drawn {
		jobs[i] = func() { do(i, seed) }
	}
	inParallel(jobs)
}
