package jitter

import (
	"slices"
	"testing"
	"time"
)

// ask plays packets of which some are lost, sends what is asked for again after a round trip, and
// returns what was asked for.
func ask(p *Player, lost map[int64]bool, round time.Duration) (asked []int64) {
	all := packets(0, roomStart, 600, usualDelay)
	byNumber := slices.Clone(all)
	all = slices.DeleteFunc(all, func(f flight) bool { return lost[f.number] })
	pcm, numbers := make([]float32, 2*frame), make([]int64, 16)
	for at := 5 * time.Millisecond; at <= 3*time.Second; at += 5 * time.Millisecond {
		for len(all) > 0 && all[0].arrival <= at {
			f := all[0]
			p.Inbox(0).Push(f.number, f.first, f.samples, f.payload, simStart.Add(f.arrival))
			all = all[1:]
		}
		p.Frame(pcm, simStart.Add(at))
		for _, number := range numbers[:p.TakeMissing(numbers)] {
			asked = append(asked, number)
			again := byNumber[number]
			again.arrival = at + round
			all = merge(all, []flight{again})
		}
	}
	return asked
}

func lostNumbers() map[int64]bool {
	return map[int64]bool{200: true, 300: true, 301: true, 400: true, 401: true, 402: true, 403: true, 404: true}
}

func TestWhatIsMissingIsAskedForWhenItCanBeInTime(t *testing.T) {
	cfg := Config{Initial: 60 * time.Millisecond, Min: 60 * time.Millisecond}
	p := NewPlayer(cfg, &toneDecoder{})
	p.SetRoundTrip(12 * time.Millisecond)
	asked := ask(p, lostNumbers(), 12*time.Millisecond)
	s, r := p.Stats(), p.Residual()
	if r.Missing != 0 || s.ConcealedSamples != 0 {
		t.Errorf("%+v, %d concealed: asked for %v", r, s.ConcealedSamples, asked)
	}
	slices.Sort(asked)
	if want := []int64{200, 300, 301, 400, 401, 402, 403, 404}; !slices.Equal(asked, want) {
		t.Errorf("asked for %v, want %v", asked, want)
	}
}

func TestNothingIsAskedForInVain(t *testing.T) {
	for name, set := range map[string]func(p *Player){
		"unknown round trip":      func(*Player) {},
		"round trip taken back":   func(p *Player) { p.SetRoundTrip(time.Millisecond); p.SetRoundTrip(-1) },
		"round trip over the gap": func(p *Player) { p.SetRoundTrip(80 * time.Millisecond) },
	} {
		p := NewPlayer(Config{Initial: 60 * time.Millisecond, Min: 60 * time.Millisecond}, &toneDecoder{})
		set(p)
		if asked := ask(p, lostNumbers(), time.Millisecond); len(asked) != 0 {
			t.Errorf("%s: asked for %v", name, asked)
		}
		if r := p.Residual(); r.Missing != 8 || r.Bursts != [4]int64{1, 1, 0, 1} || r.Expected < 580 {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// What is lost again is asked for a second time and no third.
func TestEachNumberIsAskedForTwiceAtMost(t *testing.T) {
	p := NewPlayer(Config{Initial: 100 * time.Millisecond, Min: 100 * time.Millisecond}, &toneDecoder{})
	p.SetRoundTrip(15 * time.Millisecond)
	all := slices.DeleteFunc(packets(0, roomStart, 600, usualDelay), func(f flight) bool { return f.number == 300 })
	pcm, numbers := make([]float32, 2*frame), make([]int64, 4)
	var when []time.Duration
	for at := 5 * time.Millisecond; at <= 3*time.Second; at += 5 * time.Millisecond {
		for len(all) > 0 && all[0].arrival <= at {
			p.Inbox(0).Push(all[0].number, all[0].first, frame, all[0].payload, simStart.Add(all[0].arrival))
			all = all[1:]
		}
		p.Frame(pcm, simStart.Add(at))
		for range p.TakeMissing(numbers) {
			when = append(when, at)
		}
	}
	if len(when) != 2 || when[1]-when[0] < 15*time.Millisecond {
		t.Errorf("asked at %v, want twice, a round trip apart", when)
	}
}

// copyDecoder holds a copy of the packet before in each packet.
type copyDecoder struct{ toneDecoder }

func (d *copyDecoder) Recover(pcm []float32, next []byte) error {
	before := toneDecoder{}
	all := make([]float32, 2*maxPacketSamples)
	if _, err := before.Decode(all, next); err != nil {
		return err
	}
	first := before.pos - 2*int64(len(pcm)/2)
	for i := range len(pcm) / 2 {
		pcm[2*i] = toneAt(first + int64(i))
		pcm[2*i+1] = pcm[2*i]
	}
	d.pos = first + int64(len(pcm)/2)
	return nil
}

func TestCopiesInTheNextPacketAreUsed(t *testing.T) {
	for _, fec := range []bool{false, true} {
		all := network{seed: 1, packet: 480, length: 10 * time.Second, delay: usualDelay, loss: 0.05}.flights()
		cfg := Safe()
		cfg.Min, cfg.FEC = 30*time.Millisecond, fec
		p := NewPlayer(cfg, &copyDecoder{})
		heard := listen(p, all, 10*time.Second, frame)
		s, r := p.Stats(), p.Residual()
		t.Logf("FEC %v: %d lost, %d recovered, %d samples concealed", fec, s.Lost, s.Recovered, s.ConcealedSamples)
		if !fec && s.Recovered != 0 || fec && s.Recovered < s.Lost-r.Bursts[1]-4*r.Bursts[2] {
			t.Errorf("FEC %v: %d of %d recovered, bursts %v", fec, s.Recovered, s.Lost, r.Bursts)
		}
		if fec && s.ConcealedSamples > (s.Lost-s.Recovered)*480 {
			t.Errorf("%d samples concealed although only %d packets had no copy", s.ConcealedSamples, s.Lost-s.Recovered)
		}
		steadyTail(t, heard, 5*time.Second)
	}
}
