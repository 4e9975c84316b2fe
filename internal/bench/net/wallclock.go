package main

import (
	"errors"
	"fmt"
	"time"

	"gasso/internal/netsim/netns"
)

var errNoShift = errors.New("the wall clock of a single process cannot be moved here")

// wallClockRows: the wall clock of one side is set forward and back by an hour while playing. The
// machine's own clock stays: only the programs see another one.
func wallClockRows(r *report) error {
	var failed []error
	for i, name := range []string{"wall clock ±1 h, performer", "wall clock ±1 h, server"} {
		if err := wallClock(r, name, uint64(110+i), i == 1); errors.Is(err, errNoShift) {
			r.table.NotMeasured([]string{name, "all"}, "", err.Error())
		} else if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", name, err))
		}
	}
	return errors.Join(failed...)
}

func wallClock(r *report, name string, seed uint64, server bool) error {
	h, err := newHomes(seed, netns.PortRestricted)
	if err != nil {
		return err
	}
	defer h.end()
	both, err := h.perform("--topology", "sfu") // so that the server's time is what counts
	if err != nil {
		return err
	}
	if err := h.settle(settled); err != nil {
		return err
	}
	if err := h.onAir(); err != nil {
		return err
	}
	before, err := h.participant(performerNames[1])
	if err != nil {
		return err
	}
	pid := both[1].command.Process.Pid
	if server {
		pid = h.serving.Process.Pid
	}
	prepared := time.Now()
	clock, err := newMovedClock(pid)
	if err != nil {
		return err
	}
	took := time.Since(prepared)
	time.Sleep(aMoment) // that stopped the process for a moment, which is heard a little later
	begun := time.Now()
	for _, shift := range []time.Duration{time.Hour, -time.Hour, 0} {
		if err := clock.set(shift); err != nil {
			return err
		}
		time.Sleep(5 * time.Second)
	}
	end := time.Now().Add(-margin)
	after, err := h.participant(performerNames[1])
	same := err == nil && after.ID == before.ID && after.Connected
	r.print(name, 0, yes("still there, same participant", same, fmt.Sprint(err)))
	if err := timeStamps(r, name, h, before.ID); err != nil {
		return err
	}
	st, err := h.room()
	r.print(name, 0, yes("on air without a problem", err == nil && st.OnAir.Live && st.OnAir.Problem == "", st.OnAir.Problem))
	for i, p := range both {
		heard, err := p.sound()
		if err != nil {
			return err
		}
		silent := heard.silence(begun, end)
		r.print(name, h.busy(), figure{fmt.Sprintf("silence for %s of %s", p.name, performerNames[1-i]), "0 ms", fmt.Sprintf("%d ms", silent.Milliseconds()), silent == 0})
		r.table.Shown([]string{name, fmt.Sprintf("silence for %s before, when the process was made ready", p.name)},
			fmt.Sprintf("%d ms; that took %s ms", heard.silence(prepared, begun).Milliseconds(), inMS(took)))
	}
	return nil
}

// timeStamps prints whether the packets of a participant that the server keeps are all there, and
// each later than the one before.
func timeStamps(r *report, name string, h *homes, id string) error {
	dir := h.journals()
	held, missing, err := h.journal(id)
	if err != nil {
		return err
	}
	stamps, err := h.stamps(dir, id)
	if err != nil {
		return err
	}
	back := 0
	for _, of := range stamps {
		for i := 1; i < len(of); i++ {
			if of[i].first <= of[i-1].first {
				back++
			}
		}
	}
	r.print(name, 0, figure{"time stamps that run backwards", "0", fmt.Sprintf("%d of %d", back, held), back == 0 && held > 0},
		figure{"packets that the server lacks", "0", fmt.Sprint(missing), missing == 0 && held > 0})
	return nil
}
