// Package jitter measures the jitter buffer in simulated time, beside models of others in the same
// networks, and how it follows changes of the network and of clocks. The sender, its redundancy, the
// feedback, retransmission and the player are the ones of the application; only sound is not decoded:
// what is heard tells its own position.
package jitter

import (
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"gasso/internal/bench/table"
)

const (
	length     = 10 * time.Minute
	warmUp     = 10 * time.Second // that no figure counts
	seeds      = 5
	longSeeds  = 20
	netEQAhead = 10.0 // ms that NetEQ is to be slower by

	calibratedWithin = 10.0 // ms
)

// Jitter prints what each buffer costs in delay and concealment in each network.
func Jitter(w io.Writer) error {
	n := seeds
	if os.Getenv("LONG") != "" {
		n = longSeeds
	}
	all, drawn := cases(), firstSeeds(n)
	results := measure(all, drawn)
	t := table.New(w, fmt.Sprintf("jitter (simulated): %v after %v, seeds %v; mean from probe to probe, share concealed", length, warmUp, drawn), "case", "buffer")
	for i, c := range all {
		for k := range buffers {
			row(t, c, k, &results[i][k])
		}
		compare(t, c, results[i])
	}
	return t.Err()
}

// row prints what one buffer reached: ours beside its goal, the model of NetEQ beside Chromium.
func row(t *table.Table, c testCase, buffer int, r *listener) {
	cells, measured := []string{c.name, buffers[buffer].name}, fmt.Sprintf("%.1f ms, %.2f %%", r.probeMS(), r.percent())
	chromium := 0.0
	if buffer == netEQRow || buffer == netEQRow+1 {
		chromium = c.chromiumMS[buffer-netEQRow]
	}
	switch {
	case buffer == 0 && c.mostMS > 0:
		goal := fmt.Sprintf("<= %.0f ms, <= %.1f %%", c.mostMS, c.mostPercent)
		t.Row(cells, goal, measured, r.probeMS() <= c.mostMS && r.percent() <= c.mostPercent)
	case chromium > 0 && math.Abs(r.probeMS()-chromium) > calibratedWithin:
		t.NotMeasured(cells, fmt.Sprintf("Chromium: %.0f ms", chromium), "not calibrated, the model has "+measured)
	case chromium > 0:
		t.Row(cells, fmt.Sprintf("Chromium: %.0f ± %.0f ms", chromium, calibratedWithin), measured, true)
	default:
		t.Shown(cells, measured)
	}
}

// compare prints whether a model is better than ours.
func compare(t *table.Table, c testCase, results []listener) {
	ours := &results[0]
	if c.unimpaired {
		best := ours.probeMS()
		for k := range results {
			best = min(best, results[k].probeMS())
		}
		over, most := ours.probeMS()-best, oursPacket.Seconds()*1e3
		t.Row([]string{c.name, "ours against the best"}, fmt.Sprintf("<= %.0f ms more", most), fmt.Sprintf("%.1f ms more", over), over <= most)
		return
	}
	var better []string
	for k := range results[1:] {
		if r := &results[k+1]; r.probeMS() < ours.probeMS() && r.percent() < ours.percent() {
			better = append(better, buffers[k+1].name)
		}
	}
	found := strings.Join(better, ", ")
	if found == "" {
		found = "none"
	}
	t.Row([]string{c.name, "lower than ours in both"}, "none", found, len(better) == 0)
	ahead := min(results[netEQRow].probeMS(), results[netEQRow+1].probeMS()) - ours.probeMS()
	t.Row([]string{c.name, "NetEQ against ours"}, fmt.Sprintf(">= %.0f ms slower", netEQAhead), fmt.Sprintf("%+.1f ms", ahead), ahead >= netEQAhead)
}

func firstSeeds(n int) []uint64 {
	all := make([]uint64, n)
	for i := range all {
		all[i] = uint64(i + 1)
	}
	return all
}

// measure runs every buffer in every case with every seed, and returns by case and buffer what was
// heard with all seeds together.
func measure(all []testCase, drawn []uint64) [][]listener {
	results := make([][]listener, len(all))
	var mu sync.Mutex
	var jobs []func()
	for i := range all {
		results[i] = make([]listener, len(buffers))
		for k := range buffers {
			for _, seed := range drawn {
				jobs = append(jobs, func() {
					l := newListener()
					buffers[k].run(all[i].network, seed, warmUp+length, l)
					mu.Lock()
					defer mu.Unlock()
					results[i][k].add(l)
				})
			}
		}
	}
	inParallel(jobs)
	return results
}

// inParallel does the jobs on all cores.
func inParallel(jobs []func()) {
	next := make(chan func())
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for job := range next {
				job()
			}
		})
	}
	for _, job := range jobs {
		next <- job
	}
	close(next)
	workers.Wait()
}
