package main

import (
	"errors"
	"fmt"
	"time"

	"gasso/internal/bench/clock"
	"gasso/internal/netsim"
)

const (
	clockRest  = time.Minute // what comes before is not measured
	clockSpan  = 20 * time.Second
	clockNear  = 2 * time.Second // how far from a line of statistics the server's clock may have been read
	clockEvery = 50 * time.Millisecond
)

// clockRows prints how well performers find the server's clock: two of them through networks of
// their own, then many on simulated time.
func clockRows(r *report) error {
	r.last = append(r.last, clock.Tables)
	return clockRun(r)
}

// clockNetwork is a performer's line; only a symmetric one can do better than half of its round trip.
type clockNetwork struct {
	performer, name string
	up, down        netsim.Conditions
	most            time.Duration // 0: half of the round trip
}

var clockNetworks = []clockNetwork{
	{
		"Even", "symmetric 20±10 ms",
		netsim.Conditions{Delay: 20 * time.Millisecond, Jitter: 10 * time.Millisecond},
		netsim.Conditions{Delay: 20 * time.Millisecond, Jitter: 10 * time.Millisecond}, 2 * time.Millisecond,
	},
	{"Uneven", "asymmetric, 10 ms up, 40 ms down", netsim.Conditions{Delay: 10 * time.Millisecond}, netsim.Conditions{Delay: 40 * time.Millisecond}, 0},
}

// clockRun compares the room time that performers tell with the server's. All are on one machine, whose
// clock both are held against.
func clockRun(r *report) error {
	g, err := newRig(85)
	if err != nil {
		return err
	}
	defer g.end()
	all := make([]*performer, len(clockNetworks))
	for i, c := range clockNetworks {
		node, err := g.world.Host(c.performer)
		if err != nil {
			return err
		}
		node.SetUp(c.up)
		node.SetDown(c.down)
		if all[i], err = g.perform(node, c.performer, "--output", "null"); err != nil {
			return err
		}
	}
	for _, p := range all {
		if _, err := g.received(connectWait, 200, p.name); err != nil {
			return err
		}
	}
	time.Sleep(clockRest)
	begun := time.Now()
	readings, err := g.clock(clockSpan)
	if err != nil {
		return err
	}
	for i, c := range clockNetworks {
		name := "clock offset, " + c.name
		lines, err := all[i].between(begun, time.Now())
		if err != nil {
			return err
		}
		worst, unsure, rtt, err := clockError(lines, readings)
		if err != nil {
			r.failed(name, "error", "", err)
			continue
		}
		goal := c.most
		if goal == 0 {
			goal = rtt / 2
		}
		r.print(name, 0, figure{
			fmt.Sprintf("worst error of %d; bound RTT/2 %s ms", len(lines), inMS(rtt/2)), fmt.Sprintf("<= %s ms", inMS(goal)),
			fmt.Sprintf("%s ms, read to ±%s ms", inMS(worst), inMS(unsure)), worst <= goal,
		})
	}
	return nil
}

// reading is the server's room time at a moment of the machine's clock, which lies within unsure.
type reading struct {
	at     time.Time
	unsure time.Duration
	roomNS int64
}

// clock reads the server's clock again and again for a span. The control socket is on this machine:
// no network is in between.
func (r *rig) clock(span time.Duration) (all []reading, err error) {
	for begun := time.Now(); time.Since(begun) < span; time.Sleep(clockEvery) {
		asked := time.Now()
		st, err := r.room()
		if err != nil {
			return nil, fmt.Errorf("read the server's clock: %w", err)
		}
		half := time.Since(asked) / 2
		all = append(all, reading{asked.Add(half), half, st.RoomNS})
	}
	return all, nil
}

// clockError returns the worst error of a performer's room time, how exactly the server's was read
// there, and the longest of the round trips that the performer knew of.
func clockError(lines []stats, readings []reading) (worst, unsure, rtt time.Duration, err error) {
	for _, line := range lines {
		if line.RoomNS == 0 {
			return 0, 0, 0, errors.New("room time is unknown")
		}
		best := reading{unsure: clockNear}
		for _, c := range readings {
			if line.At.Sub(c.at).Abs() < clockNear && c.unsure < best.unsure {
				best = c
			}
		}
		if best.roomNS == 0 {
			return 0, 0, 0, errors.New("the server's clock was not read in time")
		}
		off := time.Duration(line.RoomNS-best.roomNS) - line.At.Sub(best.at)
		if off.Abs() > worst {
			worst, unsure = off.Abs(), best.unsure
		}
		rtt = max(rtt, time.Duration(line.RTTMS*float64(time.Millisecond)))
	}
	return worst, unsure, rtt, nil
}

func inMS(d time.Duration) string { return fmt.Sprintf("%.2f", float64(d.Microseconds())/1000) }
