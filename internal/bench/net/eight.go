package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"gasso/internal/bench/table"
	"gasso/internal/netsim"
	"gasso/net/signaling"
)

// eightRows: eight performers, of which one has a whole engine, on a bad network.
func eightRows(r *report) error {
	var failed []error
	for i, c := range []struct {
		name     string
		topology signaling.Topology
	}{{"mesh", signaling.TopologyP2P}, {"SFU", signaling.TopologySFU}} {
		name := fmt.Sprintf("8 performers, 20±15 ms, 5 %% loss, %s", c.name)
		if err := eight(r, name, uint64(90+i), c.topology); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", name, err))
		}
	}
	return errors.Join(failed...)
}

func eight(r *report, name string, seed uint64, topology signaling.Topology) error {
	const senders, most, span = 7, 0.005, 20 * time.Second
	g, err := newRig(seed)
	if err != nil {
		return err
	}
	defer g.end()
	full, err := g.world.Host(fullName)
	if err != nil {
		return err
	}
	others, err := g.world.Host(lightName)
	if err != nil {
		return err
	}
	bad := netsim.Conditions{Delay: 20 * time.Millisecond, Jitter: 15 * time.Millisecond, Loss: 0.05}
	full.Set(bad)
	others.Set(bad)
	p, err := g.perform(full, fullName, "--topology", string(topology), "--output", "null", "--muted")
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	c := others.Command(self, "-light", string(topology), "-server", g.base(), "-ca", g.path("cert.pem"), "-senders", fmt.Sprint(senders))
	c.Stderr = os.Stderr
	if err := g.Run(c); err != nil {
		return err
	}
	heard := func() int {
		all, err := p.stats()
		if err != nil || len(all) == 0 {
			return 0
		}
		n := 0
		for _, h := range all[len(all)-1].Performers {
			if h.PacketsDirect+h.PacketsForwarded > 200 {
				n++
			}
		}
		return n
	}
	if _, err := wait(connectWait, func() (bool, error) { return heard() == senders, nil }); err != nil {
		r.failed(name, "hears all", "7", fmt.Errorf("hears %d", heard()))
		return nil
	}
	time.Sleep(settled + settled/2)
	begun := time.Now()
	busy := table.Busy(span)
	some, err := p.between(begun.Add(-2*time.Second), time.Now())
	if err != nil {
		return err
	}
	all, worst, err := shares(some, senders)
	if err != nil {
		return err
	}
	r.print(name, busy, percent("concealed, all senders", most, all), percent("concealed, the worst sender", most, worst))
	last := some[len(some)-1]
	r.table.Shown([]string{name, "mean delay of the buffers"}, fmt.Sprintf("%.1f ms", meanDelay(some)))
	r.table.Shown([]string{name, "CPU of the full engine"}, fmt.Sprintf("%.0f %% of a core, machine %.0f %% busy", last.CPUPercent, busy))
	return nil
}

// meanDelay is the time from the fastest packets' arrival to the sound, of all senders, in ms.
func meanDelay(lines []stats) float64 {
	sum, n := 0.0, 0
	for _, line := range lines {
		for _, h := range line.Performers {
			sum += h.CurrentDelayMS
			n++
		}
	}
	return sum / float64(max(n, 1))
}

// shares returns how much was concealed of what was played between the first line and the last: of all
// senders together and of the worst one.
func shares(lines []stats, senders int) (all, worst float64, err error) {
	first, last := lines[0], lines[len(lines)-1]
	var played, concealed float64
	for _, h := range last.Performers {
		before, ok := first.of(h.Name)
		if !ok || h.PlayedMS <= before.PlayedMS {
			return 0, 0, fmt.Errorf("%s was not heard all the time", h.Name)
		}
		played += h.PlayedMS - before.PlayedMS
		concealed += h.ConcealedMS - before.ConcealedMS
		worst = max(worst, (h.ConcealedMS-before.ConcealedMS)/(h.PlayedMS-before.PlayedMS))
	}
	if len(last.Performers) != senders {
		return 0, 0, fmt.Errorf("%d of %d are heard", len(last.Performers), senders)
	}
	return concealed / played, worst, nil
}
