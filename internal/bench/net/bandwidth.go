package main

import (
	"errors"
	"fmt"
	"math"
	"slices"
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
	var failed []error
	for i, c := range []struct {
		kind  string
		args  []string // what wants as much of 512 kbit/s as is there, or more
		queue time.Duration
	}{
		{"music", []string{"--music"}, 50 * time.Millisecond},
		{"music", []string{"--music"}, 200 * time.Millisecond},
		{"speech", []string{"--bitrate", "96000"}, 50 * time.Millisecond},
		{"speech", []string{"--bitrate", "96000"}, 200 * time.Millisecond},
	} {
		name := fmt.Sprintf("uplink 512 -> 96 -> 512 kbit/s, %s, queue of %v", c.kind, c.queue)
		if err := uplink(r, name, uint64(70+10*i), c.queue, c.args); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", name, err))
		}
	}
	return errors.Join(failed...)
}

// line is an uplink of a home, whose queue is bounded in time.
func line(rateBPS int, queue time.Duration) netsim.Conditions {
	bytes := float64(rateBPS) / 8 * queue.Seconds()
	return netsim.Conditions{Delay: homeDelay, RateBPS: rateBPS, QueueBytes: int(bytes)}
}

func uplink(r *report, name string, seed uint64, queue time.Duration, args []string) error {
	const goal, most, mostConcealed = 15 * time.Second, 0.02, 0.02
	h, err := newHomes(seed, netns.PortRestricted)
	if err != nil {
		return err
	}
	defer h.end()
	h.hosts[1].SetUp(line(wide, queue))
	both, err := h.perform(args...)
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
	h.hosts[1].SetUp(line(narrow, queue))
	time.Sleep(3 * time.Second)
	from, _ := h.hosts[1].Counters()
	kinds := newTraffic(h.node.Address())
	h.hosts[1].WatchUp(kinds.see)
	begun := time.Now()
	busy := table.Busy(12 * time.Second)
	passing := kinds.describe(time.Since(begun))
	h.hosts[1].WatchUp(nil)
	to, _ := h.hosts[1].Counters()
	lost := float64(to.Lost-from.Lost) / float64(max(1, to.Packets-from.Packets))
	slow, err := sender.bitrate(begun.Add(9*time.Second), time.Now())
	if err != nil {
		return err
	}
	concealed, err := both[0].usual(sender.name, begun.Add(heardWindow), time.Now())
	if err != nil {
		return err
	}
	h.hosts[1].SetUp(line(wide, queue))
	opened := time.Now()
	back, err := wait(2*goal, func() (bool, error) {
		now, err := sender.bitrate(opened, time.Now())
		return err == nil && now >= 0.95*before, nil
	})
	if err != nil {
		back = -1
	}
	r.print(name, busy, percent("lost on the line, 3 s to 15 s after", most, lost),
		percent("concealed by the other one, 3 s to 15 s after", mostConcealed, concealed),
		atMost(fmt.Sprintf("bitrate back to 95 %% of %.0f kbit/s", before/1e3), goal, back))
	r.table.Shown([]string{name, "bitrate while narrow"}, fmt.Sprintf("%.0f kbit/s", slow/1e3))
	r.table.Shown([]string{name, "sent up the line, 3 s to 15 s after"}, passing)
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
	const name, tolerance, span = "one of three receivers limited to 96 kbit/s down", 0.05, 40 * time.Second
	g, err := newRig(71)
	if err != nil {
		return err
	}
	defer g.end()
	all, err := g.oneSender("One", "Two", "Limited")
	if err != nil {
		return err
	}
	begun := time.Now()
	before, err := g.flow(all[0], span/8)
	if err != nil {
		return err
	}
	was, err := arrived(all[1:3], begun, time.Now())
	if err != nil {
		return err
	}
	limited := all[3]
	limited.node.SetDown(netsim.Conditions{Delay: homeDelay, RateBPS: narrow, QueueBytes: 16 << 10})
	begun = time.Now()
	time.Sleep(span / 4)
	_, lineFrom := limited.node.Counters()
	kinds, watched := newTraffic(g.node.Address()), time.Now()
	limited.node.WatchDown(kinds.see)
	busy := table.Busy(span - span/4 - span/8)
	after, err := g.flow(all[0], span/8)
	if err != nil {
		return err
	}
	_, lineTo := limited.node.Counters()
	passing := kinds.describe(time.Since(watched))
	limited.node.WatchDown(nil)
	is, err := arrived(all[1:3], begun, time.Now())
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
	for i, p := range all[1:3] {
		worst, err := p.worst("Sender", begun.Add(6*time.Second), time.Now())
		if err != nil {
			return err
		}
		r.print(name, busy, change("packets to "+p.name, was[i], is[i]), percent("concealed by "+p.name, 0.005, worst))
	}
	r.table.Shown([]string{name, "sent down to the limited one, 10 s to 40 s after"}, fmt.Sprintf("%.0f kbit/s, %.1f %% of the packets lost",
		8*float64(lineTo.Bytes-lineFrom.Bytes)/(span-span/4).Seconds()/1e3, 100*float64(lineTo.Lost-lineFrom.Lost)/float64(max(1, lineTo.Packets-lineFrom.Packets))))
	r.table.Shown([]string{name, "of these"}, passing)
	return limitedRows(r, name, busy, limited, begun.Add(span/4))
}

// oneSender starts a performer that plays and some that only hear it, and lets them settle.
func (r *rig) oneSender(receivers ...string) (all []*performer, err error) {
	for i, name := range append([]string{"Sender"}, receivers...) {
		node, err := r.world.Host(name)
		if err != nil {
			return nil, err
		}
		node.Set(netsim.Conditions{Delay: homeDelay})
		args := []string{"--output", "null"}
		if i > 0 {
			args = append(args, "--muted")
		}
		p, err := r.perform(node, name, args...)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	if err := r.onAir(); err != nil {
		return nil, err
	}
	if _, err := r.received(connectWait, 200, "Sender"); err != nil {
		return nil, err
	}
	time.Sleep(settled)
	return all, nil
}

// limitedRows: what the limited one itself hears from a moment on.
func limitedRows(r *report, name string, busy float64, limited *performer, from time.Time) error {
	concealed, err := limited.usual("Sender", from.Add(heardWindow), time.Now())
	if err != nil {
		return err
	}
	worst, err := limited.worst("Sender", from.Add(heardWindow), time.Now())
	if err != nil {
		return err
	}
	lines, err := limited.between(from, time.Now())
	if err != nil {
		return err
	}
	changes, gets := 0, lines[0].Receiving
	for _, s := range lines {
		if s.Receiving != gets {
			changes, gets = changes+1, s.Receiving
		}
	}
	r.print(name, busy, percent("concealed by the limited one, 10 s to 40 s after", 0.02, concealed),
		figure{"changes of what the limited one gets, 10 s to 40 s after", "<= 2 (one trial)", fmt.Sprint(changes), changes <= 2})
	r.table.Shown([]string{name, "the limited one gets in the end"}, gets)
	r.table.Shown([]string{name, "concealed by the limited one in the worst 5 s of these"}, fmt.Sprintf("%.2f %%", 100*worst))
	return nil
}

// arrived returns how many packets of the sender came to each of some performers, a second, in a span.
func arrived(all []*performer, from, to time.Time) (rates []float64, err error) {
	for _, p := range all {
		some, err := p.between(from, to)
		if err != nil {
			return nil, err
		}
		first, last := some[0], some[len(some)-1]
		a, _ := first.of("Sender")
		b, there := last.of("Sender")
		took := last.At.Sub(first.At).Seconds()
		if !there || took <= 0 {
			return nil, fmt.Errorf("%s does not hear the sender", p.name)
		}
		rates = append(rates, float64(b.PacketsDirect+b.PacketsForwarded-a.PacketsDirect-a.PacketsForwarded)/took)
	}
	return rates, nil
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
func (p *performer) worst(of string, from, to time.Time) (float64, error) {
	shares, err := p.shares(of, from, to)
	if err != nil {
		return 0, err
	}
	return slices.Max(shares), nil
}

// heardWindow is what a line's share of concealed sound speaks of.
const heardWindow = 5 * time.Second

// usual returns the share of another one's sound that was concealed, the mean of a span's lines.
func (p *performer) usual(of string, from, to time.Time) (share float64, err error) {
	shares, err := p.shares(of, from, to)
	for _, s := range shares {
		share += s / float64(len(shares))
	}
	return share, err
}

// shares returns what each line of a span says was concealed of another one's sound; all of it where none
// was played since the line before.
func (p *performer) shares(of string, from, to time.Time) (shares []float64, err error) {
	some, err := p.between(from, to)
	if err != nil {
		return nil, err
	}
	var before heard
	var receiving string
	for i, s := range some {
		h, there := s.of(of)
		share := h.ConcealedRatio
		if !there || i > 0 && s.Receiving == receiving && h.PlayedMS <= before.PlayedMS {
			share = 1
		}
		shares = append(shares, share)
		before, receiving = h, s.Receiving
	}
	return shares, nil
}
