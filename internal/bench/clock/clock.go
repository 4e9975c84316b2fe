// Package clock measures on simulated time how well a client finds the server's clock (package
// clocksync) through networks of several kinds.
package clock

import (
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"gasso/internal/bench/table"
	"gasso/net/clocksync"
)

const (
	runs       = 50
	lasts      = 5 * time.Minute
	settled    = time.Minute            // what comes before is not measured
	quickPings = 8                      // 25 ms apart, as a client begins,
	pingEvery  = 250 * time.Millisecond // later, on the data channel
	watchEvery = 100 * time.Millisecond
)

// way is a network between client and server: delays in each direction are spread evenly.
type way struct {
	name               string
	up, down           time.Duration // the shortest
	spreadUp, spreadDn time.Duration
	skew               float64       // of the server's clock against the client's
	goal               time.Duration // 0: the error is shown beside its bound
}

var ways = []way{
	{name: "symmetric 20±10 ms", up: 10 * time.Millisecond, down: 10 * time.Millisecond, spreadUp: 20 * time.Millisecond, spreadDn: 20 * time.Millisecond, goal: 2 * time.Millisecond},
	{name: "symmetric 20±10 ms, clocks 50 ppm apart", up: 10 * time.Millisecond, down: 10 * time.Millisecond, spreadUp: 20 * time.Millisecond, spreadDn: 20 * time.Millisecond, skew: 50e-6, goal: 2 * time.Millisecond},
	{name: "asymmetric, 10 ms up, 40 ms down", up: 10 * time.Millisecond, down: 40 * time.Millisecond},
	{name: "asymmetric 10±5 ms up, 40±5 ms down", up: 5 * time.Millisecond, down: 35 * time.Millisecond, spreadUp: 10 * time.Millisecond, spreadDn: 10 * time.Millisecond},
}

// outcome is the worst that was seen of a way once settled.
type outcome struct {
	offset time.Duration // of room time from the server's
	rtt    time.Duration // as the client knows it
	back   int           // times that room time ran backwards
}

// Tables prints the table "clock offset (simulated)".
func Tables(w io.Writer) error {
	t := table.New(w, fmt.Sprintf("clock offset (simulated, %d runs of %v, after %v)", runs, lasts, settled),
		"way", "worst error ms", "bound RTT/2 ms", "ran backwards")
	for _, c := range ways {
		var worst outcome
		for seed := range uint64(runs) {
			got := c.measure(seed)
			worst.offset, worst.rtt, worst.back = max(worst.offset, got.offset), max(worst.rtt, got.rtt), worst.back+got.back
		}
		cells := []string{c.name, ms(worst.offset), ms(worst.rtt / 2), fmt.Sprint(worst.back)}
		goal := c.goal
		if goal == 0 {
			goal = worst.rtt / 2
		}
		t.Row(cells, fmt.Sprintf("<= %s ms", ms(goal)), ms(worst.offset)+" ms", worst.offset <= goal && worst.back == 0)
	}
	return t.Err()
}

// measure has a client ask as the app does, and compares its clock with the server's.
func (c way) measure(seed uint64) (worst outcome) {
	random := rand.New(rand.NewPCG(seed, 1))
	start := time.Now()
	anchor, estimator := clocksync.NewAnchor(start), clocksync.New()
	server := func(local time.Time) int64 {
		passed := local.Sub(start)
		return anchor.NowNS(start.Add(passed + time.Duration(float64(passed)*c.skew)))
	}
	delay := func(least, spread time.Duration) time.Duration {
		return least + time.Duration(random.Float64()*float64(spread))
	}
	last := int64(0)
	for i, now := 0, start; now.Sub(start) < lasts; i++ {
		there := now.Add(delay(c.up, c.spreadUp))
		back := there.Add(delay(c.down, c.spreadDn))
		estimator.Add(now, back, server(there), server(there))
		next := now.Add(pingEvery)
		if i < quickPings {
			next = now.Add(25 * time.Millisecond)
		}
		for at := back; at.Before(next); at = at.Add(watchEvery) {
			room := estimator.RoomNS(at)
			if room < last {
				worst.back++
			}
			last = room
			if at.Sub(start) > settled {
				worst.offset = max(worst.offset, time.Duration(room-server(at)).Abs())
				worst.rtt = estimator.RTT()
			}
		}
		now = next
	}
	return worst
}

func ms(d time.Duration) string { return fmt.Sprintf("%.2f", float64(d.Microseconds())/1000) }
