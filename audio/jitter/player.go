package jitter

import (
	"sync/atomic"
	"time"
)

const (
	aheadLimit  = time.Second            // a packet that much ahead of its time is astray
	jumpLimit   = 80 * time.Millisecond  // delay above the target that is dropped at once
	astrayTime  = 200 * time.Millisecond // astray packets for that long are the new truth
	astrayCount = 3
	windowPlay  = sampleRate / 10 // the delay in force is the least of the last 100 to 200 ms
)

// Player plays one publication with a delay that follows the network. One goroutine calls Frame, any
// may call the others.
type Player struct {
	inboxes  [2]Inbox
	config   atomic.Pointer[Config]
	counters counters
	source   *source
	recent   recent
	stretch  stretcher
	wants    *wants

	started bool      // a packet came
	origin  time.Time // of the receiver's times
	zero    int64     // of room times, in samples
	delays  delays

	astray      int
	astraySince time.Time

	anchored bool     // the source's position is set
	least    [2]int64 // least transit of what was played in the present window and the one before
	window   int      // samples played in the present window
}

// NewPlayer returns a player for one publication. The decoder stays the caller's, who closes it
// after the last Frame.
func NewPlayer(cfg Config, dec Decoder) *Player {
	p := &Player{wants: newWants()}
	p.source = newSource(dec, sampleRate, &p.counters)
	p.SetTarget(cfg)
	return p
}

// SetTarget changes the aims.
func (p *Player) SetTarget(cfg Config) {
	cfg = cfg.withDefaults()
	p.config.Store(&cfg)
}

// Inbox returns the queue of a path, PathDirect or PathForwarded.
func (p *Player) Inbox(path int) *Inbox { return &p.inboxes[path] }

// Stats returns the counters.
func (p *Player) Stats() Stats { return p.counters.stats(&p.inboxes[0], &p.inboxes[1]) }

// Frame fills one interleaved stereo frame of any size with what is to be heard next, silence when
// there is nothing. It never blocks, allocates or locks.
func (p *Player) Frame(pcm []float32, now time.Time) {
	cfg := p.config.Load()
	p.drain(cfg)
	if !p.started || len(pcm) < 2 {
		clear(pcm)
		return
	}
	p.observe(len(pcm)/2, now)
	for rest := pcm; len(rest) >= 2; {
		n := min(len(rest)/2, pieceSamples)
		p.follow(n)
		p.source.fill(n)
		p.source.take(rest[:2*n])
		p.source.account(n, &p.recent)
		p.stretch.rest(n)
		rest = rest[2*n:]
	}
	p.counters.target.Store(p.delays.target)
	p.counters.current.Store(p.delay())
}

// drain takes what both paths brought.
func (p *Player) drain(cfg *Config) {
	for i := range p.inboxes {
		inbox := &p.inboxes[i]
		for r, payload := inbox.next(); r != nil; r, payload = inbox.next() {
			p.accept(r, payload, cfg)
			inbox.done()
		}
	}
}

// accept stores one packet and learns from its arrival, unless it is far from where it should be.
func (p *Player) accept(r *record, payload []byte, cfg *Config) {
	if !p.started {
		p.restart(r)
	}
	transit, ahead := p.transit(r), false
	if p.delays.known {
		off := transit - p.delays.minimum
		ahead = off < -int64(jumpLimit)
		if off < -int64(aheadLimit) || off > int64(max(cfg.Max, jumpLimit)) {
			if !p.believe(r) {
				return
			}
			p.restart(r)
			p.counters.resyncs.Add(1)
			transit, ahead = p.transit(r), false
		} else {
			p.astray = 0
		}
	}
	if fresh, _ := p.source.accept(r.number, r.first, r.samples, payload); fresh {
		p.wants.look(p.source, r.number, r.first, r.samples, int64(r.arrival.Sub(p.origin)))
		if ahead { // the sender or the network jumped: what was learnt is of the past
			p.delays.reset()
		}
		p.delays.add(int64(r.arrival.Sub(p.origin)), transit, cfg)
	}
}

// believe counts a packet that is astray, and tells whether such packets are the rule by now.
func (p *Player) believe(r *record) bool {
	if p.astray == 0 {
		p.astraySince = r.arrival
	}
	p.astray++
	if p.astray < astrayCount || r.arrival.Sub(p.astraySince) < astrayTime {
		return false
	}
	p.astray = 0
	return true
}

// restart begins anew with the clocks as one packet shows them.
func (p *Player) restart(r *record) {
	if !p.started {
		p.started = true
		p.origin = r.arrival
	}
	p.zero = r.first
	p.delays.reset()
	p.source.restart(r.first)
	p.anchored = false
}

// transit is a packet's arrival minus its room time, in ns from the player's origins.
func (p *Player) transit(r *record) int64 {
	return int64(r.arrival.Sub(p.origin)) - p.nanoseconds(r.first)
}

// nanoseconds turns a room time into ns after the player's zero. What is days away stays days away.
func (p *Player) nanoseconds(sample int64) int64 {
	const limit = int64(1) << 42
	return min(max(sample-p.zero, -limit), limit) * int64(time.Second) / sampleRate
}

// observe measures the delay of a frame that is taken now, and at the start sets it to the target.
// The last sample counts: what of it has not arrived is not heard.
func (p *Player) observe(samples int, now time.Time) {
	if !p.delays.known {
		return
	}
	at := int64(now.Sub(p.origin))
	if !p.anchored {
		p.anchored = true
		transit := p.delays.minimum + p.delays.target
		p.source.seek(p.zero + nsToSamples(at-transit) - int64(samples))
		p.window, p.least = 0, [2]int64{transit, transit}
	}
	transit := at - p.nanoseconds(p.source.position()+int64(samples))
	if p.window >= windowPlay {
		p.least[1], p.least[0], p.window = p.least[0], transit, 0
	}
	p.least[0] = min(p.least[0], transit)
	p.window += samples
}

// delay is the delay in force in ns: how much later than the fastest packet's arrival is played.
func (p *Player) delay() int64 {
	if !p.anchored {
		return 0
	}
	return min(p.least[0], p.least[1]) - p.delays.minimum
}

// moved notes that the signal was lengthened by so many samples.
func (p *Player) moved(samples int) {
	ns := int64(samples) * int64(time.Second) / sampleRate
	p.least[0] += ns
	p.least[1] += ns
	p.counters.stretched.Add(int64(max(samples, -samples)))
}

// follow brings the delay nearer to the target, before samples are played: in pauses by any amount,
// in a signal by a cross-faded cut, and by a jump when there is far too much of it.
func (p *Player) follow(samples int) {
	if !p.anchored {
		return
	}
	excess := int(nsToSamples(p.delay() - p.delays.target))
	if excess > int(jumpLimit.Seconds()*sampleRate) {
		p.source.seek(p.source.position() + int64(excess))
		p.moved(-excess)
		p.counters.resyncs.Add(1)
		return
	}
	gap, waiting := p.source.waiting()
	switch {
	case waiting && excess < 0:
		p.moved(p.source.hold(min(samples, -excess)))
	case waiting && excess > 0 && gap != 0:
		n := excess
		if gap > 0 {
			n = int(min(int64(n), gap))
		}
		p.source.skip(n)
		p.moved(-n)
	case !waiting:
		p.moved(p.stretch.cut(p.source, excess, samples))
	}
}

func nsToSamples(ns int64) int64 {
	return ns/int64(time.Second)*sampleRate + ns%int64(time.Second)*sampleRate/int64(time.Second)
}
