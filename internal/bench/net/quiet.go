package main

import (
	"fmt"
	"time"

	"gasso/internal/netsim/netns"
)

// idleRows: performers who play nothing behind routers that forget what is silent.
func idleRows(r *report) error {
	name, life, span := "idle behind a NAT, ten times as fast: 3 s mappings, 1 minute", 3*time.Second, time.Minute
	if r.long {
		name, life, span = "10 idle minutes behind a NAT with 30 s mappings", 30*time.Second, 10*time.Minute
	}
	h, err := newHomes(80, netns.PortRestricted)
	if err != nil {
		return err
	}
	defer h.end()
	for _, router := range h.routers {
		if err := router.SetMappings(life); err != nil {
			return err
		}
	}
	both, err := h.perform("--muted", "--output", "null")
	if err != nil {
		return err
	}
	if _, err := wait(connectWait, func() (bool, error) { return h.linked(), nil }); err != nil {
		r.failed(name, "connected", "yes", err)
		return nil
	}
	ids := map[string]string{}
	for _, n := range performerNames {
		p, err := h.participant(n)
		if err != nil {
			return err
		}
		ids[n] = p.ID
	}
	begun, broken := time.Now(), 0
	for time.Since(begun) < span {
		if !h.linked() {
			broken++
		}
		time.Sleep(time.Second)
	}
	direct := true
	for i, p := range both {
		some, err := p.between(time.Now().Add(-3*time.Second), time.Now())
		if err != nil {
			return err
		}
		other, there := some[len(some)-1].of(performerNames[1-i])
		direct = direct && there && other.Direct
	}
	same := true
	for n, id := range ids {
		p, err := h.participant(n)
		same = same && err == nil && p.ID == id
	}
	r.print(name, 0, yes("connected with the server all the time", broken == 0, fmt.Sprintf("not in %d of %d looks", broken, int(span/time.Second))),
		yes("connected directly at the end", direct, "no"), yes("same participants", same, "no"))
	return nil
}

// linked tells whether the server is connected with both.
func (h *homes) linked() bool {
	for _, n := range performerNames {
		if p, err := h.participant(n); err != nil || p.Link != "connected" || !p.Connected {
			return false
		}
	}
	return true
}
