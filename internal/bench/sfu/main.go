//go:build unix

// Command sfu measures forwarding and prints a Markdown table: CPU per forwarded packet, added delay
// and memory per peer of Gasso's server, beside a bare pion fan-out in the same run and, where
// GASSO_BENCH_LIVEKIT names a livekit-server binary, beside that. Its exit status says only whether it could run.
//
//	go run ./internal/bench/sfu [-only 4x50,10x10,4x10] [-profile FILE]
//
// Each server is a process of its own. Its receivers count packets and note their arrival before
// decryption, and look for them every half millisecond instead of being woken by each, so that neither
// the machine is the limit nor the server pays for waking its clients. The servers of a case
// take turns of two seconds, so that what else the machine does meets them alike.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"gasso/internal/bench/table"
)

// scenario is how many publishers are forwarded to how many subscribers each.
type scenario struct {
	publishers, subscribers int
	frame                   time.Duration
}

func (s scenario) String() string {
	return fmt.Sprintf("%d x %d at %d ms", s.publishers, s.subscribers, s.frame.Milliseconds())
}

func (s scenario) name() string { return fmt.Sprintf("%dx%d", s.publishers, s.subscribers) }

var scenarios = []scenario{
	{4, 50, 20 * time.Millisecond},
	{10, 10, 20 * time.Millisecond},
	{4, 10, 5 * time.Millisecond},
}

// The goals, and how long it is measured.
const (
	mostOfBare   = 0.7 // of the bare fan-out's CPU per packet
	mostDelay    = 3 * time.Millisecond
	mostPerPeer  = 300 << 10
	turn         = 2 * time.Second
	turns        = 4
	longTurns    = 15
	connectLimit = 30 * time.Second
)

func main() {
	serve := flag.String("serve", "", "be a server: gasso or pion (used by the benchmark itself)")
	publishers := flag.Int("publishers", 0, "how many publishers the server has")
	only := flag.String("only", "", "measure only these cases, separated by commas: 4x50,10x10,4x10")
	profile := flag.String("profile", "", "write profiles of Gasso's server: CPU to FILE.CASE, memory to FILE.CASE.heap")
	flag.Parse()
	var err error
	if *serve != "" {
		err = runServer(*serve, *publishers, *profile)
	} else {
		err = run(os.Stdout, *only, *profile)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench-sfu:", err)
		os.Exit(1)
	}
}

func run(w io.Writer, only, profile string) error {
	t := table.New(w, "Forwarding", "case", "server", "figure")
	var failed []error
	for _, s := range scenarios {
		if only != "" && !strings.Contains(","+only+",", ","+s.name()+",") {
			continue
		}
		if err := measure(t, s, profile); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", s, err))
		}
	}
	return errors.Join(append(failed, t.Err())...)
}

// measure prints the rows of one scenario.
func measure(t *table.Table, s scenario, profile string) error {
	if profile != "" {
		profile += "." + s.name()
	}
	gasso, err := newContender("gasso", s, profile)
	if err != nil {
		return err
	}
	defer gasso.close()
	bare, err := newContender("pion", s, "")
	if err != nil {
		return err
	}
	defer bare.close()
	all := []*contender{gasso, bare}
	why := "GASSO_BENCH_LIVEKIT does not name a livekit-server binary"
	if binary := os.Getenv("GASSO_BENCH_LIVEKIT"); binary != "" {
		livekit, err := newLiveKit(binary, s)
		if err == nil {
			defer livekit.close()
			all = append(all, livekit)
			why = ""
		} else {
			why = err.Error()
		}
	}
	rounds := turns
	if os.Getenv("LONG") == "1" {
		rounds = longTurns
	}
	busy := 0.0
	for range rounds {
		for _, c := range all {
			percent, err := c.play(turn)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			busy = max(busy, percent)
		}
	}
	for _, c := range all {
		var err error
		if c.after, err = c.memory(); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	rows(t, s, all, busy)
	if why != "" {
		t.NotMeasured([]string{s.String(), "livekit", "all"}, "", why)
	}
	return nil
}

// rows prints what the contenders of one scenario came to; the second is the bare fan-out.
func rows(t *table.Table, s scenario, all []*contender, busy float64) {
	bare := all[1].result()
	for i, c := range all {
		r := c.result()
		cell := func(figure string) []string { return []string{s.String(), c.name, figure} }
		perPacket := fmt.Sprintf("%.1f µs", r.cpuMicroseconds)
		delay := fmt.Sprintf("%.2f / %.2f ms", r.delay50.Seconds()*1e3, r.delay99.Seconds()*1e3)
		memory := fmt.Sprintf("%.0f KiB; %.0f before a collection", float64(r.perPeer.collected)/1024, float64(r.perPeer.resident)/1024)
		if c.collect == nil {
			memory = fmt.Sprintf("%.0f KiB, no collection asked for", float64(r.perPeer.resident)/1024)
		}
		if i > 0 {
			t.Shown(cell("CPU per forwarded packet"), perPacket)
			t.Shown(cell("added delay p50 / p99"), delay)
			t.Shown(cell("memory per peer"), memory)
		} else {
			ratio := r.cpuMicroseconds / bare.cpuMicroseconds
			cpuGoal, cpu := fmt.Sprintf("<= %.1f of bare pion", mostOfBare), fmt.Sprintf("%s, %.2f of bare pion", perPacket, ratio)
			if busy > table.BusyPercent && ratio > mostOfBare {
				t.NotMeasured(cell("CPU per forwarded packet"), cpuGoal, fmt.Sprintf("%s on a machine %.0f %% busy", cpu, busy))
			} else {
				t.Row(cell("CPU per forwarded packet"), cpuGoal, cpu, ratio <= mostOfBare)
			}
			const goal = "p99 <= 3 ms"
			if busy > table.BusyPercent && r.delay99 > mostDelay {
				t.NotMeasured(cell("added delay p50 / p99"), goal, fmt.Sprintf("%s on a machine %.0f %% busy", delay, busy))
			} else {
				t.Row(cell("added delay p50 / p99"), goal, delay, r.delay99 <= mostDelay)
			}
			t.Row(cell("memory per peer"), "<= 300 KiB", memory, r.perPeer.collected <= mostPerPeer)
		}
		t.Shown(cell("packets lost"), fmt.Sprintf("%d of %d", r.sent-r.received, r.sent))
	}
	t.Shown([]string{s.String(), "machine", "CPU, busiest turn"}, fmt.Sprintf("%.0f %%", busy))
}
