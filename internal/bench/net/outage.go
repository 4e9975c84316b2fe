package main

import (
	"errors"
	"fmt"
	"time"

	"gasso/internal/netsim"
	"gasso/internal/netsim/netns"
	"gasso/server/room"
)

const (
	settled   = 8 * time.Second // until buffers and paths rest
	mediaBack = 2 * time.Second
	lookFor   = 30 * time.Second // how long something that should come back is waited for
)

// blackoutRows: the line of one performer is gone for a while.
func blackoutRows(r *report) error {
	spans := []time.Duration{3 * time.Second, 30 * time.Second}
	if r.long {
		spans = append(spans, 5*time.Minute)
	}
	var all []func(*report) error
	for i, span := range spans {
		all = append(all, func(r *report) error {
			name := fmt.Sprintf("blackout of %v", span)
			if err := blackout(r, name, uint64(20+i), span); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			return nil
		})
	}
	return r.together(all...)
}

func blackout(r *report, name string, seed uint64, span time.Duration) error {
	line := func(dead bool) func(*homes) error {
		return func(h *homes) error {
			h.hosts[1].Set(netsim.Conditions{Delay: homeDelay, Blackout: dead})
			return nil
		}
	}
	return outage(r, name, seed, span, line(true), line(false))
}

// cableRows: the interface of one performer goes down and comes up again, of which the program is told,
// other than of a line that is silent.
func cableRows(r *report) error {
	return outage(r, "cable pulled for 3 s", 25, 3*time.Second,
		func(h *homes) error { return h.hosts[1].LinkDown() }, func(h *homes) error { return h.hosts[1].LinkUp() })
}

// outage takes the second performer's network away for a while.
func outage(r *report, name string, seed uint64, span time.Duration, cut, restore func(*homes) error) error {
	h, both, before, err := playing(seed, "--spool-dir", "default") // as the window does
	if err != nil {
		return err
	}
	defer h.end()
	if err := cut(h); err != nil {
		return err
	}
	time.Sleep(span)
	if err := restore(h); err != nil {
		return err
	}
	after := time.Now()
	until := receivedAgain(r, name, h, after, mediaBack, before.ID)
	if err := healed(r, name, h, before.ID, after, span); err != nil {
		return err
	}
	if err := heardAgain(r, name, h, both, after, until, mediaBack); err != nil {
		return err
	}
	return both[1].hashes(r, name)
}

// playing starts two performers at home, who have settled, and tells what the server knows of the second one.
// The caller ends them.
func playing(seed uint64, args ...string) (h *homes, both [2]*performer, second room.ParticipantStatus, err error) {
	if h, err = newHomes(seed, netns.PortRestricted); err != nil {
		return nil, both, second, err
	}
	if both, err = h.perform(args...); err == nil {
		if err = h.settle(settled); err == nil {
			second, err = h.participant(performerNames[1])
		}
	}
	if err != nil {
		h.end()
		return nil, both, second, err
	}
	return h, both, second, nil
}

// comeBack prints when the second performer is received and heard again, and hears again, after
// something ended at a moment.
func comeBack(r *report, name string, h *homes, both [2]*performer, after time.Time, goal time.Duration, id string) error {
	until := receivedAgain(r, name, h, after, goal, id)
	return heardAgain(r, name, h, both, after, until, goal)
}

// receivedAgain prints when the server has packets of the second performer again, and returns the end
// of the time in which sound is judged.
func receivedAgain(r *report, name string, h *homes, after time.Time, goal time.Duration, id string) (until time.Time) {
	took, err := h.received(lookFor, 5, performerNames[1])
	if err != nil {
		took = -1
	}
	r.print(name, 0, atMost("the server receives again", goal, took))
	time.Sleep(max(0, goal+3*aMoment-time.Since(after)))
	p, err := h.participant(performerNames[1])
	otherwise := fmt.Sprintf("%s became %s", id, p.ID)
	if err != nil {
		otherwise = err.Error()
	}
	r.print(name, 0, yes("same participant, once", err == nil && p.ID == id, otherwise))
	return time.Now().Add(-margin)
}

// heardAgain ends both performers and prints when they heard each other again for good.
func heardAgain(r *report, name string, h *homes, both [2]*performer, after, until time.Time, goal time.Duration) error {
	for i, p := range both {
		heard, err := p.sound()
		if err != nil {
			return err
		}
		r.print(name, h.busy(), atMost(fmt.Sprintf("%s hears %s again", p.name, performerNames[1-i]), goal, heard.back(after, until)))
	}
	return nil
}

// addressRows: a performer's address changes while playing.
func addressRows(r *report) error {
	var failed []error
	for i, c := range []struct {
		name   string
		change func(*homes) error
	}{
		{"address change, another network", func(h *homes) error {
			other, err := h.world.Router("elsewhere", netns.PortRestricted)
			if err != nil {
				return err
			}
			other.Set(netsim.Conditions{Delay: homeDelay})
			return h.hosts[1].MoveTo(other)
		}},
		{"address change, same network", func(h *homes) error { return h.hosts[1].ChangeAddress() }},
		{"address change of the router", func(h *homes) error { return h.routers[1].ChangeAddress() }},
	} {
		if err := addressChange(r, c.name, uint64(30+i), c.change); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", c.name, err))
		}
	}
	return errors.Join(failed...)
}

func addressChange(r *report, name string, seed uint64, change func(*homes) error) error {
	const goal = 3 * time.Second
	h, both, before, err := playing(seed)
	if err != nil {
		return err
	}
	defer h.end()
	if err := change(h); err != nil {
		return err
	}
	return comeBack(r, name, h, both, time.Now(), goal, before.ID)
}

// signalingRows: the TCP connection of signaling is reset.
func signalingRows(r *report) error {
	const name, goal = "signaling TCP reset", 2 * time.Second
	h, both, before, err := playing(40)
	if err != nil {
		return err
	}
	defer h.end()
	cut := time.Now()
	kill := h.hosts[1].Command("ss", "-K", "dst", h.node.Address().String(), "dport", "=", "443")
	if out, err := kill.CombinedOutput(); err != nil {
		r.table.NotMeasured([]string{name, "all"}, "", fmt.Sprintf("ss cannot reset connections here: %v: %s", err, lastLine(out)))
		return nil
	}
	left, err := wait(goal, func() (bool, error) {
		p, err := h.participant(performerNames[1])
		return err == nil && !p.Connected, nil
	})
	if err != nil {
		left = 0 // back before anybody could see it
	}
	back, err := wait(lookFor, func() (bool, error) {
		p, err := h.participant(performerNames[1])
		return err == nil && p.Connected, nil
	})
	if err == nil {
		back += left
	}
	time.Sleep(aMoment)
	after, err := h.participant(performerNames[1])
	r.print(name, 0, atMost("resumed", goal, back), yes("same participant, once", err == nil && after.ID == before.ID, fmt.Sprint(err)))
	end := time.Now().Add(-margin)
	for i, p := range both {
		heard, err := p.sound()
		if err != nil {
			return err
		}
		silent := heard.silence(cut, end)
		r.print(name, h.busy(), figure{fmt.Sprintf("silence for %s of %s", p.name, performerNames[1-i]), "0 ms", fmt.Sprintf("%d ms", silent.Milliseconds()), silent == 0})
	}
	return nil
}

// pathRows: one of two paths dies while playing.
func pathRows(r *report) error {
	const difference = 30 * time.Millisecond
	var failed []error
	for i, c := range []struct {
		mode, dies string
		free       bool // nothing may be concealed, else what the paths differ by
	}{
		{"safe", "direct", true}, {"safe", "server's", true}, {"live", "direct", false}, {"live", "server's", false},
	} {
		name := fmt.Sprintf("%s: the %s path dies", c.mode, c.dies)
		if err := pathDies(r, name, uint64(50+i), c.mode, c.dies == "direct", difference, c.free); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", name, err))
		}
	}
	return errors.Join(failed...)
}

// pathDies has two performers with public addresses; the path over the server takes the difference longer.
// Forwarding comes on top: the difference that counts is the one that the receiver sees, of the fastest packets.
// Live lets a share of the packets be late at any time: what was concealed in as long a time before is no doing
// of the path's end, as far as it lies within that share.
func pathDies(r *report, name string, seed uint64, mode string, direct bool, difference time.Duration, free bool) error {
	const span, mostUsual = 5 * time.Second, 14 * time.Millisecond // 0.28 % of it
	g, err := newRig(seed)
	if err != nil {
		return err
	}
	defer g.end()
	var nodes [2]*netns.Node
	var both [2]*performer
	slower := netsim.Conditions{Delay: difference / 2}
	for i, name := range performerNames {
		if nodes[i], err = g.world.Host(name); err != nil {
			return err
		}
		nodes[i].Set(netsim.Conditions{Delay: homeDelay / 2})
		g.world.SetBetween(nodes[i], g.node, slower)
		if both[i], err = g.perform(nodes[i], name, "--mode", mode); err != nil {
			return err
		}
	}
	h := &homes{rig: g, hosts: nodes}
	if err := h.settle(settled); err != nil {
		return err
	}
	dead := time.Now()
	if direct {
		g.world.SetBetween(nodes[0], nodes[1], netsim.Conditions{Blackout: true})
	} else {
		slower.UDPBlocked = true // signaling stays
		g.world.SetBetween(nodes[0], g.node, slower)
		g.world.SetBetween(nodes[1], g.node, slower)
	}
	time.Sleep(settled)
	for i, p := range both {
		before, err := p.between(dead.Add(-1500*time.Millisecond), dead)
		if err != nil {
			return err
		}
		h, _ := before[len(before)-1].of(performerNames[1-i])
		if h.PacketsDirect == 0 || h.PacketsForwarded == 0 {
			r.failed(name, "both paths were in use", "yes", fmt.Errorf("%d packets came directly, %d over the server", h.PacketsDirect, h.PacketsForwarded))
			continue
		}
		extra, err := p.concealed(performerNames[1-i], dead, span)
		if err != nil {
			return err
		}
		f := figure{name: fmt.Sprintf("%s conceals of %s", p.name, performerNames[1-i]), goal: "0 ms", measured: inMS(extra) + " ms", ok: extra <= 0}
		if most := time.Duration(h.PathDifferenceMS * float64(time.Millisecond)); !free {
			usual, err := p.concealed(performerNames[1-i], dead.Add(-span), span)
			if err != nil {
				return err
			}
			usual = min(usual, mostUsual)
			f.goal, f.ok = "<= "+inMS(most)+" ms, the paths' difference", extra-usual <= most
			f.name += " beyond the usual"
			f.measured = fmt.Sprintf("%s ms (%s less %s of the %v before)", inMS(extra-usual), inMS(extra), inMS(usual), span)
		}
		r.print(name, g.busy(), f)
	}
	return nil
}
