package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gasso/net/packet"
	"gasso/server/journal"
)

const (
	healWait  = 60 * time.Second // how long the journal is waited for, and as much again as there is to send
	healEvery = time.Second
	hashWait  = 10 * time.Second // after the performer has ended
)

// healed waits until the journal holds every packet that a participant sent, and prints how long
// after a moment that was; so much sound is to be sent later.
func healed(r *report, name string, h *homes, id string, after time.Time, later time.Duration) error {
	const what, goal = "journal has no gap", "100 %"
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
		case took > healWait+later:
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

// keptLine is what gasso-server journal verify prints of a publication.
type keptLine struct {
	File    string `json:"file"`
	Packets int64  `json:"packets"`
	SHA256  string `json:"sha256"`
}

// verify asks the server's program what the journal holds, by publication.
func (r *rig) verify() (kept map[string]keptLine, err error) {
	out, err := exec.Command("bin/gasso-server", "journal", "verify", "--json", "--data", r.path("data")).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil, fmt.Errorf("verify the journal: %w: %s", err, lastLine(exit.Stderr))
	} else if err != nil {
		return nil, fmt.Errorf("verify the journal: %w", err)
	}
	kept = map[string]keptLine{}
	for line := range bytes.Lines(out) {
		var k keptLine
		if err := json.Unmarshal(line, &k); err != nil {
			return nil, fmt.Errorf("verify the journal: %w", err)
		}
		kept[strings.TrimSuffix(filepath.Base(k.File), ".journal")] = k
	}
	return kept, nil
}

// hashes ends a performer and prints whether the journal holds what it has sent, all publications of its
// life to the last payload.
func (p *performer) hashes(r *report, name string) error {
	const what, goal = "hashes of payloads sent = hashes in the journal", "100 %"
	if err := p.stop(); err != nil {
		return err
	}
	lines, err := p.stats()
	if err != nil {
		return err
	}
	if len(lines) == 0 || len(lines[len(lines)-1].Publications) == 0 {
		r.failed(name, what, goal, errors.New("nothing was sent"))
		return nil
	}
	all := lines[len(lines)-1].Publications
	same, packets, lacks := 0, int64(0), ""
	_, err = wait(hashWait, func() (bool, error) {
		kept, err := p.rig.verify()
		if err != nil {
			return false, err
		}
		same, packets, lacks = 0, 0, ""
		for _, s := range all {
			k := kept[s.ID]
			packets += s.Packets
			if s.Packets == 0 || k.SHA256 == s.SHA256 {
				same++
				continue
			}
			lacks += fmt.Sprintf("; of %s %d packets were sent and %d are kept", s.ID, s.Packets, k.Packets)
		}
		return same == len(all), nil
	})
	if err != nil && lacks == "" {
		return err
	}
	measured := fmt.Sprintf("%.0f %%, %d of %d publications, %d packets%s", 100*float64(same)/float64(len(all)), same, len(all), packets, lacks)
	r.print(name, 0, figure{what, goal, measured, same == len(all)})
	return nil
}
