package jitter

import (
	"fmt"
	"math"

	"gasso/internal/bench/table"
)

// chromium is a row measured with Chromium 156 from probe to probe.
type chromium struct {
	network int // index of the case
	red     bool
	ms      float64
}

var measuredChromium = []chromium{
	{0, false, 28}, {1, false, 68}, {3, false, 108}, {4, false, 99}, {5, false, 97},
	{0, true, 38}, {1, true, 68}, {3, true, 89}, {4, true, 108}, {5, true, 99},
}

const calibratedWithin = 10.0 // ms

// calibrate prints whether the model of NetEQ comes out where Chromium was measured.
func calibrate(t *table.Table, drawn []uint64) {
	all := cases()
	sums := make([]listener, len(measuredChromium))
	var jobs []func()
	for i, m := range measuredChromium {
		jobs = append(jobs, func() {
			for _, seed := range drawn {
				l := newListener()
				runNetEQ(m.red)(all[m.network].network, seed, warmUp+length, l)
				sums[i].add(l)
			}
		})
	}
	inParallel(jobs)
	for i, m := range measuredChromium {
		name := "NetEQ model against Chromium"
		if m.red {
			name = "NetEQ model against Chromium, RED"
		}
		cells, goal := []string{all[m.network].name, name}, fmt.Sprintf("%.0f ± %.0f ms", m.ms, calibratedWithin)
		if math.Abs(sums[i].probeMS()-m.ms) > calibratedWithin {
			t.NotMeasured(cells, goal, fmt.Sprintf("not calibrated, %.1f ms", sums[i].probeMS()))
			continue
		}
		t.Row(cells, goal, fmt.Sprintf("%.1f ms", sums[i].probeMS()), true)
	}
}
