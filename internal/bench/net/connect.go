package main

import (
	"errors"
	"fmt"
	"time"

	"gasso/internal/netsim"
	"gasso/internal/netsim/netns"
)

const (
	connectGoal = 8 * time.Second
	connectWait = 20 * time.Second
	aMoment     = 2 * time.Second
	homeDelay   = 10 * time.Millisecond // of a home's line, in each direction
)

// homes are two performers behind routers of their own and the server.
type homes struct {
	*rig
	routers [2]*netns.Node
	hosts   [2]*netns.Node
}

var performerNames = [2]string{"Aki", "Ren"}

// newHomes makes a world with two homes.
func newHomes(seed uint64, nat netns.NAT, config ...string) (*homes, error) {
	r, err := newRig(seed, config...)
	if err != nil {
		return nil, err
	}
	h := &homes{rig: r}
	for i, name := range performerNames {
		if h.routers[i], err = r.world.Router("home-"+name, nat); err == nil {
			h.hosts[i], err = h.routers[i].Host(name)
		}
		if err != nil {
			r.end()
			return nil, err
		}
		h.routers[i].Set(netsim.Conditions{Delay: homeDelay})
	}
	return h, nil
}

// perform starts both performers.
func (h *homes) perform(args ...string) (both [2]*performer, err error) {
	for i, name := range performerNames {
		if both[i], err = h.rig.perform(h.hosts[i], name, args...); err != nil {
			return both, err
		}
	}
	return both, nil
}

// settle waits until the server receives both, and a while longer.
func (h *homes) settle(span time.Duration) error {
	if _, err := h.received(connectWait, 200, performerNames[:]...); err != nil {
		return err
	}
	time.Sleep(span)
	return nil
}

// connectRows: networks that let little through.
func connectRows(r *report) error {
	var failed []error
	for i, c := range []struct {
		name  string
		nat   netns.NAT
		rules string
	}{
		{"UDP blocked", netns.PortRestricted, netns.NoUDP},
		{"only tcp/443", netns.PortRestricted, netns.OnlyHTTPS},
		{"symmetric NAT on both sides", netns.Symmetric, ""},
	} {
		through := func(topology string) func(*report) error {
			return func(r *report) error {
				name := fmt.Sprintf("%s, %s", c.name, topology)
				if err := connect(r, name, uint64(i), c.nat, c.rules, topology); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
				return nil
			}
		}
		failed = append(failed, r.together(through("auto"), through("p2p")))
	}
	return errors.Join(failed...)
}

func connect(r *report, name string, seed uint64, nat netns.NAT, rules, topology string) error {
	h, err := newHomes(seed, nat)
	if err != nil {
		return err
	}
	defer h.end()
	for _, router := range h.routers {
		if err := router.Firewall(rules); err != nil {
			return err
		}
	}
	both, err := h.perform("--topology", topology)
	if err != nil {
		return err
	}
	arrived, err := h.received(connectWait, 20, performerNames[:]...)
	if err != nil {
		r.failed(name, "the server receives both", fmt.Sprintf("<= %v", connectGoal), err)
	} else {
		r.print(name, 0, atMost("the server receives both", connectGoal, arrived))
	}
	time.Sleep(aMoment)
	for i, p := range both {
		s, err := p.sound()
		if err != nil {
			return err
		}
		r.print(name, 0, atMost(fmt.Sprintf("%s hears %s", p.name, performerNames[1-i]), connectGoal, s.first(p.begun)))
		if i == 0 {
			time.Sleep(aMoment / 2)
		}
	}
	return nil
}
