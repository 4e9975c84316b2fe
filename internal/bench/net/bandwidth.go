package main

import (
	"fmt"
	"math"
	"time"

	"gasso/internal/bench/table"
	"gasso/internal/netsim"
	"gasso/internal/netsim/netns"
)

const (
	wide   = 512_000 // bit/s
	narrow = 96_000
)

// uplinkRows: a sender's uplink gets narrow and wide again.
func uplinkRows(r *report) error {
	const name, goal, most = "uplink 512 -> 96 -> 512 kbit/s", 15 * time.Second, 0.02
	h, err := newHomes(70, netns.PortRestricted)
	if err != nil {
		return err
	}
	defer h.end()
	line := netsim.Conditions{Delay: homeDelay, RateBPS: wide, QueueBytes: 16 << 10}
	h.hosts[1].SetUp(line)
	both, err := h.perform("--music") // what wants more than 512 kbit/s carry
	if err != nil {
		return err
	}
	if err := h.settle(2 * settled); err != nil {
		return err
	}
	sender := both[1]
	before, err := sender.bitrate(time.Now().Add(-3*time.Second), time.Now())
	if err != nil {
		return err
	}
	line.RateBPS = narrow
	h.hosts[1].SetUp(line)
	time.Sleep(3 * time.Second)
	from, _ := h.hosts[1].Counters()
	concealedFrom := time.Now()
	busy := table.Busy(12 * time.Second)
	to, _ := h.hosts[1].Counters()
	lost := float64(to.Lost-from.Lost) / float64(max(1, to.Packets-from.Packets))
	slow, err := sender.bitrate(time.Now().Add(-3*time.Second), time.Now())
	if err != nil {
		return err
	}
	heard, err := both[0].between(concealedFrom, time.Now())
	if err != nil {
		return err
	}
	last, _ := heard[len(heard)-1].of(sender.name)
	line.RateBPS = wide
	h.hosts[1].SetUp(line)
	opened := time.Now()
	back, err := wait(2*goal, func() (bool, error) {
		now, err := sender.bitrate(opened, time.Now())
		return err == nil && now >= 0.95*before, nil
	})
	if err != nil {
		back = -1
	}
	r.print(name, busy, percent("lost on the line, 3 s to 15 s after", most, lost),
		atMost(fmt.Sprintf("bitrate back to 95 %% of %.0f kbit/s", before/1e3), goal, back))
	r.table.Shown([]string{name, "bitrate while narrow"}, fmt.Sprintf("%.0f kbit/s", slow/1e3))
	r.table.Shown([]string{name, "concealed by the other one while narrow"}, fmt.Sprintf("%.2f %%", 100*last.ConcealedRatio))
	return nil
}

// bitrate returns what the encoder is set to at the end of a span, in bit/s.
func (p *performer) bitrate(from, to time.Time) (float64, error) {
	some, err := p.between(from, to)
	if err != nil {
		return 0, err
	}
	return some[len(some)-1].BitrateBPS, nil
}

// receiverRows: one of three receivers has little downlink.
func receiverRows(r *report) error {
	const name, tolerance, span = "one of three receivers limited to 96 kbit/s down", 0.05, 20 * time.Second
	g, err := newRig(71)
	if err != nil {
		return err
	}
	defer g.end()
	var all []*performer
	for i, name := range []string{"Sender", "One", "Two", "Limited"} {
		node, err := g.world.Host(name)
		if err != nil {
			return err
		}
		node.Set(netsim.Conditions{Delay: homeDelay})
		args := []string{"--muted", "--output", "null"}
		if i == 0 {
			args = []string{"--output", "null"}
		}
		p, err := g.perform(node, name, args...)
		if err != nil {
			return err
		}
		all = append(all, p)
	}
	if err := g.onAir(); err != nil {
		return err
	}
	if _, err := g.received(connectWait, 200, "Sender"); err != nil {
		return err
	}
	time.Sleep(settled)
	before, err := g.flow(all[0], span/4)
	if err != nil {
		return err
	}
	limited := all[3]
	limited.node.SetDown(netsim.Conditions{Delay: homeDelay, RateBPS: narrow, QueueBytes: 16 << 10})
	begun := time.Now()
	busy := table.Busy(span - span/4)
	after, err := g.flow(all[0], span/4)
	if err != nil {
		return err
	}
	change := func(name string, a, b float64) figure {
		d := b/a - 1
		return figure{name, "±5 %", fmt.Sprintf("%+.1f %%", 100*d), math.Abs(d) <= tolerance}
	}
	r.print(name, busy, change("the sender's bitrate", before.bitrate, after.bitrate),
		change("packets to the program", before.packets, after.packets),
		yes("the program goes on without a problem", after.problem == "" && after.live, after.problem))
	for _, p := range all[1:] {
		worst, err := p.worst("Sender", begun.Add(6*time.Second), time.Now())
		if err != nil {
			return err
		}
		if p == limited {
			r.table.Shown([]string{name, "concealed by the limited one"}, fmt.Sprintf("%.2f %%", 100*worst))
			continue
		}
		r.print(name, busy, percent("concealed by "+p.name, 0.005, worst))
	}
	return nil
}

// flow is what of a sender gets to the server.
type flow struct {
	bitrate float64 // bit/s of the encoder
	packets float64 // a second, at the server
	live    bool
	problem string // of the broadcast
}

// flow measures a sender's flow for a span.
func (r *rig) flow(p *performer, span time.Duration) (f flow, err error) {
	from, err := r.participant(p.name)
	if err != nil {
		return f, err
	}
	begun := time.Now()
	time.Sleep(span)
	to, err := r.participant(p.name)
	if err != nil {
		return f, err
	}
	f.packets = float64(to.PacketsReceived-from.PacketsReceived) / time.Since(begun).Seconds()
	st, err := r.room()
	if err != nil {
		return f, err
	}
	f.live, f.problem = st.OnAir.Live, st.OnAir.Problem
	f.bitrate, err = p.bitrate(begun, time.Now())
	return f, err
}

// worst returns the greatest share of another one's sound that was concealed in 5 s of a span.
func (p *performer) worst(of string, from, to time.Time) (share float64, err error) {
	some, err := p.between(from, to)
	if err != nil {
		return 0, err
	}
	for _, s := range some {
		h, there := s.of(of)
		if !there {
			return 1, nil
		}
		share = max(share, h.ConcealedRatio)
	}
	return share, nil
}
