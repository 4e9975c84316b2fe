package main

import (
	"encoding/hex"
	"fmt"
	"path/filepath"
	"strings"

	"gasso/server/journal"
)

// healed prints whether the journal holds what the second performer sent. Both have ended.
func healed(r *report, name string, h *homes) error {
	id, err := lastID(h, performerNames[1])
	if err != nil {
		return err
	}
	dir := filepath.Join(h.path("data"), "journal")
	names, err := journal.Names(dir)
	if err != nil {
		return fmt.Errorf("look into the journal: %w", err)
	}
	missing, held, sums := int64(0), int64(0), []string{}
	for _, n := range names {
		if !strings.Contains(n, id) {
			continue
		}
		s, err := journal.Summarize(dir, n)
		if err != nil {
			return err
		}
		for _, m := range s.Missing() {
			missing += m.Last - m.First + 1
		}
		held += s.Packets
		sums = append(sums, hex.EncodeToString(s.SHA256[:4]))
	}
	if held == 0 {
		r.failed(name, "journal holds all packets", "100 %", fmt.Errorf("it holds none of %s", id))
		return nil
	}
	share := 100 * float64(held) / float64(held+missing)
	r.print(name, 0, figure{"journal holds all packets", "100 %", fmt.Sprintf("%.2f %%, %d missing, sum %s", share, missing, strings.Join(sums, " ")), missing == 0})
	return nil
}

// lastID is the id that a performer had at the end.
func lastID(h *homes, name string) (string, error) {
	p := &performer{rig: h.rig, name: name}
	all, err := p.stats()
	if err != nil {
		return "", err
	}
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].ParticipantID != "" {
			return all[i].ParticipantID, nil
		}
	}
	return "", fmt.Errorf("%s never had an id", name)
}
