package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

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
	dir := filepath.Join(r.path("data"), "journal")
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
