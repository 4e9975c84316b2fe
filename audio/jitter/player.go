package jitter

import (
	"sync/atomic"
	"time"
)

const (
	aheadLimit  = sampleRate             // samples: a packet that much ahead of its time is astray
	jumpLimit   = 80 * sampleRate / 1000 // samples of delay above the target that are dropped at once
	astrayTime  = 200 * time.Millisecond // astray packets for that long are the new truth
	astrayCount = 3
	skipAbove   = 48 // samples of delay above the target that a gap is used to drop
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
	glide    *glide
	wants    *wants

	started bool      // a packet came
	origin  time.Time // of the receiver's times
	zero    int64     // of room times, in samples

	clock      clock
	steady     bool
	merged     arrivals    // the first copy of each packet
	paths      [2]arrivals // the first copy on each path
	seen       [2][seenNumbers]int64
	packets    int   // first copies since the statistics began
	newest     int64 // highest number
	expected   losses
	aim        aim
	alone      *arrivals // the path that goes on without the other one; nil: both do, or none has ended
	aloneUntil int64
	highest    int64 // target that the configuration allows
	outlook    int64 // played when it was made last

	astray      int
	astraySince time.Time
	anchored    bool // the source's position is set
}

// NewPlayer returns a player for one publication. The decoder stays the caller's, who closes it
// after the last Frame.
func NewPlayer(cfg Config, dec Decoder) *Player {
	p := &Player{wants: newWants(), glide: newGlide()}
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

// Position is the room time of the next sample to be given out; false before there is one. It belongs
// to the goroutine of Frame.
func (p *Player) Position() (sample int64, ok bool) { return p.source.position(), p.anchored }

// LastArrival is when the newest packet came on either path; zero before the first.
func (p *Player) LastArrival() time.Time {
	direct, forwarded := p.inboxes[0].lastArrival(), p.inboxes[1].lastArrival()
	if forwarded.After(direct) {
		return forwarded
	}
	return direct
}

// Frame fills one interleaved stereo frame of any size with what is to be heard next, silence when
// there is nothing. It never blocks, allocates or locks.
func (p *Player) Frame(pcm []float32, now time.Time) {
	cfg := p.config.Load()
	p.source.fec = cfg.FEC
	if p.started {
		p.tick(p.samples(now))
	}
	p.drain(cfg, now)
	if !p.started || len(pcm) < 2 {
		clear(pcm)
		return
	}
	p.retarget(cfg)
	for rest := pcm; len(rest) >= 2; {
		n := p.play(rest)
		rest = rest[2*n:]
	}
	p.report()
}

// play fills the next piece and returns its length.
func (p *Player) play(pcm []float32) int {
	n := min(len(pcm)/2, pieceSamples)
	p.follow(n)
	if p.glide.active() {
		n = min(n, glideSamples-p.glide.done)
		if longer := p.glide.take(p.source, pcm[:2*n]); longer != 0 {
			p.counters.stretched.Add(1)
		}
	} else {
		p.source.fill(n)
		p.source.take(pcm[:2*n])
	}
	p.clock.played += int64(n)
	p.source.account(n, &p.recent)
	p.stretch.rest(n)
	return n
}

// tick tells the clock that packets are about to be taken.
func (p *Player) tick(now int64) {
	if stood := p.clock.tick(now); stood > 0 && p.anchored {
		p.counters.resyncs.Add(1)
		p.seek(p.source.position() + stood)
	}
}

func (p *Player) seek(pos int64) {
	p.glide.cancel()
	p.source.seek(pos)
}

// drain takes what both paths brought.
func (p *Player) drain(cfg *Config, now time.Time) {
	for i := range p.inboxes {
		inbox := &p.inboxes[i]
		for r, payload := inbox.next(); r != nil; r, payload = inbox.next() {
			p.accept(i, r, payload, cfg, now)
			inbox.done()
		}
	}
}

// accept stores one packet and learns from its arrival, unless it is far from where it should be.
func (p *Player) accept(path int, r *record, payload []byte, cfg *Config, now time.Time) {
	if !p.started {
		p.restart(r, now)
	}
	transit, ahead := p.transit(r), false
	if p.packets > 0 {
		off := transit - p.merged.floor.value()
		ahead = off < -jumpLimit
		if off < -aheadLimit || off > max(durationSamples(cfg.Max), jumpLimit)+p.clock.step {
			if !p.believe(r) {
				return
			}
			p.restart(r, now)
			p.counters.resyncs.Add(1)
			transit, ahead = p.transit(r), false
		} else {
			p.astray = 0
		}
	}
	fresh, _ := p.source.accept(r.number, r.first, r.samples, payload)
	if ahead && fresh { // the sender or the network jumped: what was learnt is of the past
		p.forget()
	}
	p.learn(path, r, transit, fresh)
}

// learn adds a packet to the statistics: of its path when it is the first copy there, of all when it
// is the first at all.
func (p *Player) learn(path int, r *record, transit int64, fresh bool) {
	arrival := p.samples(r.arrival)
	wait := max(0, p.clock.now-arrival)
	need := p.clock.last - (r.first - p.zero)
	switch {
	case wait > standstill+2*p.clock.step: // it was not the network that was late
		need += p.clock.step - wait
	case !p.steady: // the place within the loudspeaker's periods wanders: any may be
		need += p.clock.step - wait
	case wait < boundary:
		need += p.clock.step
	}
	if mark := &p.seen[path][r.number%seenNumbers]; *mark != r.number+1 {
		*mark = r.number + 1
		p.paths[path].add(arrival, transit, need, r.samples)
	}
	if !fresh {
		return
	}
	p.handOver(path, r, need)
	p.merged.add(arrival, transit, need, r.samples)
	p.packets++
	p.newest = max(p.newest, r.number)
	p.expected.add(arrival, r.number)
	if over := need - p.aim.target; over > 0 && p.anchored && !p.merged.stalled {
		cost := float64(min(over, int64(r.samples))) / float64(r.samples)
		if p.merged.surprising(need) {
			cost = 1
		}
		p.aim.noteLate(p.clock.played, need, cost)
	}
	p.wants.look(p.source, r.number, r.first, r.samples, int64(r.arrival.Sub(p.origin)))
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
func (p *Player) restart(r *record, now time.Time) {
	if !p.started {
		p.started = true
		p.origin = r.arrival
		p.tick(p.samples(now))
	}
	p.zero = r.first
	p.forget()
	p.glide.cancel()
	p.source.restart(r.first)
	p.anchored = false
}

// forget drops the statistics.
func (p *Player) forget() {
	p.merged.reset()
	p.paths[0].reset()
	p.paths[1].reset()
	p.expected = losses{}
	p.packets, p.newest, p.steady, p.alone = 0, 0, true, nil
	p.aim = aim{since: p.clock.played}
	p.clock.drift = 0
}

// samples is a time in samples after the player's origin.
func (p *Player) samples(t time.Time) int64 { return durationSamples(t.Sub(p.origin)) }

// transit is a packet's arrival minus its room time, in samples from the player's origins. What is
// days away stays days away.
func (p *Player) transit(r *record) int64 {
	const limit = int64(1) << 42
	return p.samples(r.arrival) - min(max(r.first-p.zero, -limit), limit)
}

// base is the delay of the fastest packets, in samples of playing.
func (p *Player) base(a *arrivals) int64 { return a.floor.value() - p.clock.slack.value() }

// retarget sets the target, and at the start the position.
func (p *Player) retarget(cfg *Config) {
	if p.packets == 0 {
		return
	}
	now := p.clock.now
	if now >= p.aloneUntil {
		p.alone = nil
	}
	p.steady = p.clock.steady(&p.merged.floor)
	usual, stalls := divide(cfg.LateBudget, p.expected.ratio())
	p.merged.forget(now)
	need, base := p.merged.need(usual, stalls), p.base(&p.merged)
	for i := range p.paths {
		path := &p.paths[i]
		path.forget(now)
		stats, own := &p.counters.paths[i], int64(0)
		if path.count > 0 {
			if p.alone == path || cfg.Cover == CoverSlower && p.paths[1-i].count > 0 {
				need = max(need, path.greatest()) // a gap is or would be there already: no other one
			}
			own = path.need(usual, stalls) + guard - base
			stats.base.Store(samplesDuration(p.base(path) - base))
		}
		stats.need.Store(samplesDuration(own))
		stats.jitter.Store(samplesDuration(int64(path.jitter)))
	}
	if !p.steady {
		need += int64(driftAge * p.clock.drift)
	}
	if p.merged.count == 0 {
		need = p.aim.target - guard
	}
	if p.packets < learnPackets {
		need = max(need, base+durationSamples(cfg.Initial))
	}
	p.highest = base + max(durationSamples(cfg.Max), 2*p.clock.step)
	p.aim.set(p.clock.played, need+guard, base+durationSamples(cfg.Min), p.highest)
	if !p.anchored {
		p.anchored = true
		p.seek(p.zero + p.clock.played - p.aim.target)
	}
}

// delay is the delay in force in samples of playing.
func (p *Player) delay() int64 { return p.clock.played - (p.source.position() - p.zero) }

// report tells the counters what is aimed at.
func (p *Player) report() {
	if !p.anchored {
		return
	}
	base := p.base(&p.merged)
	p.counters.target.Store(samplesDuration(p.aim.target - base))
	p.counters.current.Store(samplesDuration(p.delay() - base))
	if p.clock.played-p.outlook >= outlookEvery {
		p.outlook = p.clock.played
		p.lookOut(base)
	}
}

// moved notes that the signal was lengthened by so many samples.
func (p *Player) moved(samples int) {
	if samples != 0 {
		p.counters.stretches.Add(1)
		p.counters.stretched.Add(int64(max(samples, -samples)))
	}
}

// follow brings the delay nearer to the target, before samples are played: in pauses by any amount,
// in a signal by gliding or by a cross-faded cut, and by a jump when there is far too much of it.
func (p *Player) follow(samples int) {
	if !p.anchored {
		return
	}
	excess := int(p.delay() - p.aim.target)
	if excess > jumpLimit {
		p.seek(p.source.position() + int64(excess))
		p.moved(-excess)
		p.counters.resyncs.Add(1)
		return
	}
	if p.glide.active() {
		return
	}
	gap, waiting := p.source.waiting()
	switch {
	case waiting && excess < 0:
		n := min(samples, -excess)
		p.source.hold(n)
		p.moved(n)
	case waiting && excess > skipAbove && gap != 0:
		n := excess
		if gap > 0 {
			n = int(min(int64(n), gap))
		}
		p.source.skip(n)
		p.moved(-n)
	case !waiting:
		longer := p.stretch.cut(p.source, excess, samples)
		p.moved(longer)
		if longer == 0 {
			p.glide.begin(p.source, p.glide.want(excess), min(samples, glideSamples))
		}
	}
}

func durationSamples(d time.Duration) int64 {
	ns := int64(d)
	return ns/int64(time.Second)*sampleRate + ns%int64(time.Second)*sampleRate/int64(time.Second)
}

func samplesDuration(n int64) int64 {
	return n/sampleRate*int64(time.Second) + n%sampleRate*int64(time.Second)/sampleRate
}
