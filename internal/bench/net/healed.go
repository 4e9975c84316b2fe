package main

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gasso/net/packet"
	"gasso/server/journal"
)

const (
	healWait  = 60 * time.Second // how long the journal is waited for
	healEvery = time.Second
)

// healed waits until the journal holds every packet that a participant sent, and prints how long
// after a moment that was.
func healed(r *report, name string, h *homes, id string, after time.Time) error {
	const what, goal = "journal holds all packets sent", "100 %"
	for {
		held, missing, err := h.journal(id)
		if err != nil {
			return err
		}
		took := time.Since(after)
		switch {
		case held > 0 && missing == 0:
			r.print(name, 0, figure{what, goal, fmt.Sprintf("100 %%, %d packets, %.0f s after the link returned", held, took.Seconds()), true})
			return nil
		case took > healWait:
			r.print(name, 0, figure{what, goal, fmt.Sprintf("%.2f %%, %d missing after %.0f s", 100*float64(held)/float64(max(1, held+missing)), missing, took.Seconds()), false})
			return nil
		}
		time.Sleep(healEvery)
	}
}

// journal counts the packets of a participant that the server has on disk, and those that it lacks
// between the first and the last.
func (r *rig) journal(id string) (held, missing int64, err error) {
	dir := r.journals()
	names, err := journal.Names(dir)
	if err != nil {
		return 0, 0, fmt.Errorf("look into the journal: %w", err)
	}
	for _, n := range names {
		if !strings.Contains(n, id) {
			continue
		}
		s, err := journal.Summarize(dir, n)
		if err != nil {
			return 0, 0, err
		}
		for _, m := range s.Missing() {
			missing += m.Last - m.First + 1
		}
		held += s.Packets
	}
	return held, missing, nil
}

// journals is the folder of the server's journal.
func (r *rig) journals() string { return filepath.Join(r.path("data"), "journal") }

// stamp is a packet's number and the room time of its first sample.
type stamp struct{ number, first int64 }

// stamps returns the packets of a participant in order of their numbers, a list for each file.
func (r *rig) stamps(dir, id string) (all [][]stamp, err error) {
	names, err := journal.Names(dir)
	if err != nil {
		return nil, fmt.Errorf("look into the journal: %w", err)
	}
	for _, n := range names {
		if !strings.Contains(n, id) {
			continue
		}
		var of []stamp
		_, err := journal.Read(dir, n, func(p *packet.Packet) error {
			of = append(of, stamp{p.Number, p.FirstSample})
			return nil
		})
		if err != nil {
			return nil, err
		}
		slices.SortFunc(of, func(a, b stamp) int { return cmp.Compare(a.number, b.number) })
		of = slices.CompactFunc(of, func(a, b stamp) bool { return a.number == b.number })
		all = append(all, of)
	}
	return all, nil
}
