package main

import (
	"time"

	"gasso/internal/netsim/netns"
)

// cableRows: the interface of one performer goes down and comes up again, of which the program is told,
// other than of a line that is silent.
func cableRows(r *report) error {
	const name, span = "cable pulled for 3 s", 3 * time.Second
	h, err := newHomes(25, netns.PortRestricted)
	if err != nil {
		return err
	}
	defer h.end()
	both, err := h.perform()
	if err != nil {
		return err
	}
	if err := h.settle(settled); err != nil {
		return err
	}
	before, err := h.participant(performerNames[1])
	if err != nil {
		return err
	}
	if err := h.hosts[1].LinkDown(); err != nil {
		return err
	}
	time.Sleep(span)
	if err := h.hosts[1].LinkUp(); err != nil {
		return err
	}
	after := time.Now()
	until := receivedAgain(r, name, h, after, mediaBack, before.ID)
	if err := healed(r, name, h, before.ID, after); err != nil {
		return err
	}
	if err := heardAgain(r, name, h, both, after, until, mediaBack); err != nil {
		return err
	}
	return both[1].hashes(r, name)
}
