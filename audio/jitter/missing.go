package jitter

import (
	"sync/atomic"
	"time"
)

const (
	wantSlots    = 64  // numbers waiting for TakeMissing
	wantReach    = 64  // numbers behind the newest that are asked for
	askedSlots   = 128 // numbers whose askings are remembered; more than wantReach
	mostAsked    = 2
	reordered    = 2 // a packet is missing once one so many numbers on is there
	wantMargin   = 2 * time.Millisecond
	noRoundTrip  = int64(-1)
	longestRound = int64(time.Second)
)

// wants is the list of packets that may be asked for again: the playout goroutine writes, one other
// goroutine takes.
type wants struct {
	numbers    [wantSlots]atomic.Int64
	head, tail atomic.Int64
	round      atomic.Int64 // ns; noRoundTrip while unknown

	asked [askedSlots]struct {
		number int64 // plus one
		times  int
		at     int64 // ns
	}
}

func newWants() *wants {
	w := &wants{}
	w.round.Store(noRoundTrip)
	return w
}

// look asks for what is missing before the newest packet and can still be in time: first is the newest
// one's position, pos what is played next, spare what may yet be spent, at the present in ns.
func (w *wants) look(s *source, newest, first int64, samples int, at int64) {
	round := w.round.Load()
	if round == noRoundTrip || s.next < 0 {
		return
	}
	for n := max(s.next, newest-wantReach); n <= newest-reordered; n++ {
		if s.came(n) {
			continue
		}
		left := (first - (newest-n)*int64(samples) - s.position()) * int64(time.Second) / sampleRate
		if left < round+int64(wantMargin) {
			continue
		}
		a := &w.asked[n%askedSlots]
		if a.number != n+1 {
			a.number, a.times = n+1, 0
		} else if a.times == mostAsked || at-a.at < round {
			continue
		}
		a.times++
		a.at = at
		w.put(n)
	}
}

// put drops what finds the list full: it would come too late.
func (w *wants) put(number int64) {
	head := w.head.Load()
	if head-w.tail.Load() == wantSlots {
		return
	}
	w.numbers[head%wantSlots].Store(number)
	w.head.Store(head + 1)
}

func (w *wants) take(numbers []int64) (n int) {
	tail := w.tail.Load()
	for n < len(numbers) && tail < w.head.Load() {
		numbers[n] = w.numbers[tail%wantSlots].Load()
		tail++
		n++
	}
	w.tail.Store(tail)
	return n
}

// TakeMissing writes the numbers of packets that are missing now and would be in time when asked for
// again, and returns how many. Each is named at most twice, a round trip apart. One goroutine calls it.
func (p *Player) TakeMissing(numbers []int64) int { return p.wants.take(numbers) }

// SetRoundTrip says how long a packet that is asked for takes; before the first call and with a
// negative one nothing is asked for.
func (p *Player) SetRoundTrip(d time.Duration) {
	if d < 0 {
		p.wants.round.Store(noRoundTrip)
		return
	}
	p.wants.round.Store(min(int64(d), longestRound))
}

// Residual returns the counters of what was missing after everything.
func (p *Player) Residual() Residual { return p.counters.residual() }
