package jitter

import (
	"time"

	"gasso/internal/netsim"
)

// sonobus is a model of the receiving buffer of SonoBus with its size on "Auto", by the constants of
// its program: a fixed buffer that grows by one block when blocks are missing twice within 2 s, at
// most every 0.5 s, and shrinks by one block after 10 s without a missing one. Missing blocks are
// asked for again. What a change of the size costs in sound is left out.
type sonobus struct {
	forward, back *netsim.Link
	there         map[int64]bool
	coming        queue[int64]
	requests      queue[int64]
	asked         map[int64]time.Duration
	sent          int64 // number of the next packet
	next          int64 // block to be played
	newest        int64
	started       bool

	smallest int           // blocks: the buffer does not shrink below
	size     int           // blocks
	dropped  time.Duration // when a block was missing, as far as it was counted
	shrunk   time.Duration
}

const (
	sonobusBlock      = 5 * time.Millisecond
	sonobusSamples    = 240
	sonobusGrowEvery  = 500 * time.Millisecond
	sonobusGrowWithin = 2 * time.Second
	sonobusCalm       = 10 * time.Second
	sonobusRequest    = 10 * time.Millisecond // between two requests for the same block
)

func runSonobus(n network, seed uint64, length time.Duration, heard *listener) {
	s := &sonobus{
		forward: n.forward(seed), back: n.back(seed),
		there: map[int64]bool{}, asked: map[int64]time.Duration{}, smallest: 1, size: 1,
	}
	for now := phase(seed, sonobusBlock); now <= length; now += sonobusBlock {
		s.transmit(now)
		if !s.started {
			continue
		}
		if s.next < 0 {
			s.next++
			continue
		}
		late := (now - time.Duration(s.next)*sonobusBlock).Seconds() * sampleRate
		if s.there[s.next] {
			heard.play(now, sonobusSamples, late)
		} else {
			heard.conceal(now, sonobusSamples)
			s.miss(now)
		}
		delete(s.there, s.next)
		delete(s.asked, s.next)
		s.next++
		s.calm(now)
		s.ask(now)
	}
}

// transmit brings the network to the present.
func (s *sonobus) transmit(now time.Duration) {
	for sent := time.Duration(s.sent+1) * sonobusBlock; sent <= now; sent += sonobusBlock {
		if at, arrives := s.forward.Send(sent); arrives {
			s.coming.push(at, s.sent)
		}
		s.sent++
	}
	for number, at, ok := s.requests.pop(now); ok; number, at, ok = s.requests.pop(now) {
		if arrival, arrives := s.forward.Send(at); arrives {
			s.coming.push(arrival, number)
		}
	}
	for number, _, ok := s.coming.pop(now); ok; number, _, ok = s.coming.pop(now) {
		if !s.started {
			s.started = true
			s.next = number - int64(s.size)
		}
		s.newest = max(s.newest, number)
		if number >= s.next {
			s.there[number] = true
		}
	}
}

// miss grows the buffer when blocks are missing too often.
func (s *sonobus) miss(now time.Duration) {
	since := now - s.dropped
	if s.dropped > 0 && since <= sonobusGrowEvery {
		return
	}
	if s.dropped > 0 && since < sonobusGrowWithin {
		s.size++
		s.next-- // the block is played once more, in effect: everything is one block later
		if s.shrunk > 0 && now-s.shrunk < sonobusGrowWithin {
			s.smallest = s.size
		}
	}
	s.dropped = now
}

// calm shrinks the buffer when nothing was missing for long.
func (s *sonobus) calm(now time.Duration) {
	if s.shrunk == 0 || s.size <= s.smallest {
		s.shrunk = now
		return
	}
	if now-s.shrunk > sonobusCalm && now-s.dropped > sonobusCalm {
		s.size--
		s.next++
		s.shrunk = now
	}
}

// ask requests the blocks that are missing before the newest one.
func (s *sonobus) ask(now time.Duration) {
	for number := max(0, s.next); number < s.newest; number++ {
		if last, ok := s.asked[number]; s.there[number] || ok && now-last < sonobusRequest {
			continue
		}
		s.asked[number] = now
		if at, arrives := s.back.Send(now); arrives {
			s.requests.push(at, number)
		}
	}
}
