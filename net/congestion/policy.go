package congestion

import "time"

const (
	mostCopies   = 3
	usualFrame   = 480 // samples: longer packets wait until direct paths rest
	longestFrame = 960 // samples, which are sent where everything else was given up
	sampleRate   = 48000
	fullMargin   = 1.1  // of what everything needs
	backMargin   = 1.15 // of what a better choice needs at least, before it is taken again
	backAfter    = 2 * time.Second
	backLongest  = 2 * time.Minute // where a better choice failed again and again
	backSlower   = 4               // times, each time
	backProven   = time.Minute     // a better choice that lasts so long did not fail
	stepBPS      = 4000            // bitrates are multiples of it
	redHeader    = 5               // bytes of each copy and of the payload itself
)

// headerBytes is what each packet costs beyond its payload: IPv4 and UDP 28, RTP 12, extensions 16, SRTP 16.
const headerBytes = 72

// comfort is the bitrate in bit/s below which packets become longer and second paths rest instead.
func comfort(music bool) int {
	if music {
		return 96_000
	}
	return 40_000
}

// Config bounds the bitrate, in bit/s.
type Config struct {
	FloorBPS   int // 0: 64 kbit/s for music, 24 for speech, and for music too where 64 do not fit by any choice
	CeilingBPS int // 0: what is asked for
}

// The floors that are usual.
const (
	floorMusic  = 64_000
	floorSpeech = 24_000 // and of music, where an uplink carries no more: it costs detail, more would cost gaps
)

// Asked is what a performer would send without any limit.
type Asked struct {
	BitrateBPS   int
	FrameSamples int // at 48 kHz
	Music        bool
	MayRest      bool // direct paths may rest since the server forwards too
}

// Decision is what to send.
type Decision struct {
	BitrateBPS   int
	MaxCopies    int // in each packet, of redundancy
	FrameSamples int // the shortest packet at 48 kHz
	Direct       int // direct paths that carry packets
	Full         bool
	Short        bool // even the least does not fit
	Limited      bool
	Whose        Side
	UplinkBPS    int  // estimated; 0 while no limit is known
	Rebase       bool // take the links' present delays for those of their ways

	needBPS  float64 // at full quality
	leastBPS float64 // of the last choice at the floor
}

// choice is one way to send, from the best on: first shorter packets and all paths, last the longest
// packets and the server alone.
type choice struct{ frame, direct int }

// policy remembers the choice, so that a better one is taken only when it fits for a while.
type policy struct {
	now    choice
	better time.Time // a better choice would fit since then
	taken  time.Time // when a better one was
	wait   time.Duration
}

// next is the choice that needs less, itself when there is none: longer packets first, since they cost
// every path half of its headers; then one path after another; then packets twice as long once more, whose
// headers would take more than the sound of the only path left.
func (c choice) next(mayRest bool) choice {
	switch {
	case c.frame < usualFrame:
		c.frame *= 2
	case mayRest && c.direct > 0:
		c.direct--
	case c.frame < longestFrame:
		c.frame *= 2
	}
	return c
}

// links is the number of links that a choice uses.
func (c choice) links(server bool) float64 {
	n := c.direct
	if server || n == 0 {
		n++
	}
	return float64(n)
}

// headerBPS is what the headers of one link cost.
func (c choice) headerBPS() float64 { return 8 * headerBytes * sampleRate / float64(c.frame) }

// payload is the bitrate that a budget leaves, with so many copies.
func (c choice) payload(budget float64, server bool, copies int) float64 {
	left := budget/c.links(server) - c.headerBPS()
	if copies > 0 {
		left -= 8 * redHeader * sampleRate / float64(c.frame) * float64(copies)
	}
	return left / float64(1+copies)
}

// need is the budget that a bitrate takes.
func (c choice) need(bitrate float64, server bool) float64 {
	return c.links(server) * (bitrate + c.headerBPS())
}

func (p *policy) choose(cfg *Config, paths []Path, asked Asked, budget float64, now time.Time) (d Decision) {
	direct, copies, server := 0, 0, false
	for i := range paths {
		path := &paths[i]
		if path.Server {
			server = true
		} else {
			direct++
		}
		if !path.Paused {
			copies = max(copies, path.Copies)
		}
	}
	mayRest := asked.MayRest && server
	floor, ceiling := bounds(cfg, asked)
	best := choice{min(asked.FrameSamples, usualFrame), direct}
	d = Decision{BitrateBPS: ceiling, MaxCopies: mostCopies, FrameSamples: asked.FrameSamples, Direct: direct, Full: true}
	d.needBPS = best.need(float64(ceiling), server)
	last := best
	for last.next(mayRest) != last {
		last = last.next(mayRest)
	}
	least := leastFloor(cfg, floor)
	d.leastBPS = last.need(float64(least), server)
	if budget == 0 {
		p.now, p.better = best, time.Time{}
		return d
	}
	c := p.pick(best, float64(min(comfort(asked.Music), ceiling)), budget, server, mayRest, now)
	d.FrameSamples, d.Direct = max(c.frame, asked.FrameSamples), c.direct
	for d.MaxCopies = mostCopies; d.MaxCopies > 0; d.MaxCopies-- {
		if c.payload(budget, server, d.MaxCopies) >= float64(min(comfort(asked.Music), ceiling)) {
			break
		}
	}
	bitrate := int(c.payload(budget, server, min(copies, d.MaxCopies)))
	if c == last {
		floor = least
	}
	d.Short = bitrate < floor
	d.BitrateBPS = min(max(bitrate/stepBPS*stepBPS, floor), ceiling)
	d.Full = c == best && d.BitrateBPS == ceiling
	return d
}

// bounds are the floor and the ceiling in force.
func bounds(cfg *Config, asked Asked) (floor, ceiling int) {
	ceiling = asked.BitrateBPS
	if cfg.CeilingBPS > 0 {
		ceiling = min(ceiling, cfg.CeilingBPS)
	}
	if floor = cfg.FloorBPS; floor == 0 {
		if floor = floorSpeech; asked.Music {
			floor = floorMusic
		}
	}
	return min(floor, ceiling), ceiling
}

// leastFloor is what a usual floor gives way to; one that was set does not.
func leastFloor(cfg *Config, floor int) int {
	if cfg.FloorBPS > 0 {
		return floor
	}
	return min(floor, floorSpeech)
}

// pick goes down to the first choice that leaves a bitrate of comfort, at once, and back up after a while.
func (p *policy) pick(best choice, comfort, budget float64, server, mayRest bool, now time.Time) choice {
	fits := func(c choice, margin float64) bool { return budget >= margin*c.need(comfort, server) }
	c := best
	for {
		margin := 1.0
		if worse(p.now, c) { // c would be better than what is now
			margin = backMargin
		}
		if fits(c, margin) || c.next(mayRest) == c {
			break
		}
		c = c.next(mayRest)
	}
	switch {
	case !worse(p.now, c):
		if worse(c, p.now) {
			p.noteFall(now)
		}
		p.now, p.better = c, time.Time{}
	case p.better.IsZero():
		p.better = now
	case now.Sub(p.better) >= max(p.wait, backAfter):
		p.now, p.better, p.taken = c, time.Time{}, now
	}
	p.now.direct, p.now.frame = min(p.now.direct, best.direct), max(p.now.frame, best.frame)
	return p.now
}

// noteFall has the next better choice wait for longer when the last one did not hold.
func (p *policy) noteFall(now time.Time) {
	if p.taken.IsZero() || now.Sub(p.taken) > backProven {
		p.wait = backAfter
		return
	}
	p.wait = min(backSlower*max(p.wait, backAfter), backLongest)
	p.taken = time.Time{}
}

// worse tells whether a needs less than b.
func worse(a, b choice) bool {
	return a.frame > b.frame || a.frame == b.frame && a.direct < b.direct
}
