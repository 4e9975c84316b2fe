package main

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"gasso/app/spool"
	"gasso/internal/netsim"
	"gasso/internal/netsim/netns"
	"gasso/net/backfill"
	"gasso/net/clocksync"
	"gasso/net/packet"
	"gasso/server/journal"
)

const (
	crashOutage = 3 * time.Second // before the app is killed, and then until the line is back
	crashLoss   = 250 * time.Millisecond
)

// crashRows: an app is killed while its line is dead, and is started again in the same show.
func crashRows(r *report) error {
	const name, goal = "app kill -9 while its line is dead, and restart", 5 * time.Second
	h, err := newHomes(62, netns.PortRestricted)
	if err != nil {
		return err
	}
	defer h.end()
	spools := h.path("spool")
	_, err = h.rig.perform(h.hosts[0], performerNames[0])
	if err != nil {
		return err
	}
	start := func() (*performer, error) {
		return h.rig.perform(h.hosts[1], performerNames[1], "--spool-dir", spools)
	}
	victim, err := start()
	if err != nil {
		return err
	}
	if err := h.settle(settled / 2); err != nil {
		return err
	}
	if err := h.onAir(); err != nil {
		return err
	}
	before, err := h.participant(performerNames[1])
	if err != nil {
		return err
	}
	h.hosts[1].Set(netsim.Conditions{Delay: homeDelay, Blackout: true})
	time.Sleep(crashOutage)
	last, killed, err := victim.kill()
	if err != nil {
		return err
	}
	spooled, err := h.spooled(spools)
	if err != nil {
		return err
	}
	if _, err := start(); err != nil {
		return err
	}
	time.Sleep(crashOutage)
	h.hosts[1].Set(netsim.Conditions{Delay: homeDelay})
	after := time.Now()
	_ = receivedAgain(r, name, h, after, goal, before.ID)
	if err := healed(r, name, h, before.ID, after, 2*crashOutage); err != nil {
		return err
	}
	return h.keptOf(r, name, last, killed, spooled)
}

// kill ends a performer at once, and returns its last line of statistics and when that was.
func (p *performer) kill() (last stats, at time.Time, err error) {
	at = time.Now()
	if err := p.command.Process.Signal(syscall.SIGKILL); err != nil {
		return last, at, fmt.Errorf("kill %s: %w", p.name, err)
	}
	_ = p.rig.Wait(p.command)
	p.ended = at
	lines, err := p.stats()
	if err == nil && (len(lines) == 0 || len(lines[len(lines)-1].Publications) == 0) {
		err = fmt.Errorf("%s has sent nothing", p.name)
	}
	if err != nil {
		return last, at, err
	}
	return lines[len(lines)-1], at, nil
}

// spooled reads what a killed performer has kept in files, from a copy of them.
func (r *rig) spooled(dir string) (all []packet.Packet, err error) {
	copied := r.path("spool-copy")
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		return nil, fmt.Errorf("copy kept sound: %w", err)
	}
	folder, err := spool.OpenFolder(copied, r.base(), roomID, performerNames[1], time.Now())
	if err != nil {
		return nil, err
	}
	s := spool.Open(spool.Config{Folder: folder})
	if _, err := wait(startUp, func() (bool, error) { return !s.Status().Reading, nil }); err != nil {
		return nil, errors.Join(fmt.Errorf("read kept sound: %w", err), s.Close())
	}
	for _, have := range s.Holdings() {
		p := packet.Packet{}
		for from := have.First; ; from = p.Number + 1 {
			found, err := s.Find(have.Publication, from, &p)
			if err != nil {
				return all, errors.Join(err, s.Close())
			}
			if !found {
				break
			}
			p.Payload = bytes.Clone(p.Payload)
			all = append(all, p)
		}
	}
	return all, s.Close()
}

// packets reads what the journal holds of a publication, in order of numbers.
func (r *rig) packets(publication string) (all []packet.Packet, err error) {
	names, err := journal.Names(r.journals())
	if err != nil {
		return nil, fmt.Errorf("look into the journal: %w", err)
	}
	for _, n := range names {
		if !strings.HasSuffix(n, "/"+publication+".journal") {
			continue
		}
		_, err := journal.Read(r.journals(), n, func(p *packet.Packet) error {
			all = append(all, packet.Packet{Number: p.Number, FirstSample: p.FirstSample, Samples: p.Samples, Payload: bytes.Clone(p.Payload)})
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(all, func(a, b packet.Packet) int { return cmp.Compare(a.Number, b.Number) })
	return slices.CompactFunc(all, func(a, b packet.Packet) bool { return a.Number == b.Number }), nil
}

// keptOf prints how much of what a killed performer had encoded the journal holds: up to its last line of
// statistics by the sum, later on by what was in its files.
func (h *homes) keptOf(r *report, name string, last stats, killed time.Time, spooled []packet.Packet) error {
	newest := last.Publications[len(last.Publications)-1]
	kept, err := h.packets(newest.ID)
	if err != nil {
		return err
	}
	lost, gaps := time.Duration(-1), backfill.Set{}
	for i, p := range kept {
		if i > 0 && p.Number != kept[i-1].Number+1 {
			gaps.Add(backfill.Range{First: kept[i-1].Number + 1, Last: p.Number - 1})
		}
		roomNS := last.RoomNS + killed.Sub(last.At).Nanoseconds()
		lost = max(0, time.Duration(roomNS-clocksync.NSAt(p.FirstSample+int64(p.Samples))))
	}
	r.print(name, 0,
		figure{
			"of the sound before kill -9 the journal lacks", fmt.Sprintf("<= the last %v", crashLoss),
			fmt.Sprintf("the last %d ms, %d packets between", lost.Milliseconds(), gaps.Len()), lost >= 0 && lost <= crashLoss && gaps.Len() == 0,
		},
		hashOfFirst(newest, kept), equalPayloads(spooled, newest.ID, kept))
	return nil
}

// hashOfFirst is whether the first packets of a publication are those that were sent.
func hashOfFirst(sent sent, kept []packet.Packet) figure {
	sum := sha256.New()
	n := min(int64(len(kept)), sent.Packets)
	for _, p := range kept[:n] {
		_, _ = sum.Write(binary.BigEndian.AppendUint64(nil, uint64(p.Number)))
		_, _ = sum.Write(p.Payload)
	}
	f := figure{name: "hash of payloads sent until the last statistics = hash in the journal", goal: "100 %"}
	f.ok = n == sent.Packets && n > 0 && hex.EncodeToString(sum.Sum(nil)) == sent.SHA256
	f.measured = fmt.Sprintf("not of %d packets", sent.Packets)
	if f.ok {
		f.measured = fmt.Sprintf("100 %%, %d packets", n)
	}
	return f
}

// equalPayloads is whether the journal has what the killed app had in its files.
func equalPayloads(spooled []packet.Packet, publication string, kept []packet.Packet) figure {
	same, all := 0, 0
	for _, p := range spooled {
		if p.Publication.String() != publication {
			continue
		}
		all++
		at, found := slices.BinarySearchFunc(kept, p.Number, func(k packet.Packet, n int64) int { return cmp.Compare(k.Number, n) })
		if found && bytes.Equal(kept[at].Payload, p.Payload) {
			same++
		}
	}
	return figure{"packets in the files of the killed app that the journal has alike", "100 %", fmt.Sprintf("%d of %d", same, all), same == all && all > 0}
}
