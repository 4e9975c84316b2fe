package congestion

import "time"

// What the controller goes by.
const (
	queueHigh   = 15 * time.Millisecond // of waiting that calls for less
	queueHuge   = 100 * time.Millisecond
	queueSmall  = 30 * time.Millisecond
	queueFalls  = 3 * time.Millisecond // less than at the last cut: it drains
	lossHigh    = 0.1                  // that calls for less where nothing waits
	effectAfter = 400 * time.Millisecond
	holdAfter   = 2 * time.Second // a cut, before anything rises
	holdLongest = 4 * time.Second
	standsFor   = 3 * time.Second // a queue that neither grows nor falls nor loses is not ours
	blameServer = 3 * time.Second // of congestion at the server's link alone

	cutMild, cutUsual, cutHard = 0.92, 0.85, 0.7 // of the rate that arrived

	nearBelow, nearAbove = 0.92, 1.08 // of the rate at the last cut: rise slowly there
	riseNear             = 0.05       // a second
	riseFirst, riseMost  = 0.15, 0.4  // a second, elsewhere
	mostAhead            = 1.5        // of the rate that arrives can be known to fit
	leastRate            = 16_000
	leastShare           = 0.99 // of what the least takes: so little that it shows as too little
)

// Path is how one link of the sender does.
type Path struct {
	Server bool // the link with the server
	Paused bool // carries nothing now
	Copies int  // redundant copies in each packet now
	Report
}

// Side says whose network holds a performer back.
type Side string

// The sides. A single direct link that suffers is of that performer, and decides nothing.
const (
	SideNone   Side = ""
	SideUplink Side = "uplink" // the sender's own
	SideServer Side = "server" // the way to the server alone
)

// Controller decides what one sender sends over all its links. One goroutine at a time.
type Controller struct {
	cfg    Config
	policy policy

	whose       Side
	rate        float64 // bits a second that all links together may use; 0: no limit was met
	knee        float64 // that arrived at the last cut
	cutAt       time.Time
	cutQueue    time.Duration
	hold        time.Duration
	clearSince  time.Time // rate is above what was the knee
	steadySince time.Time // the queue neither grows nor falls
	steadyQueue time.Duration
	serverSince time.Time // the server's link suffers alone
	lossTrial   lossTrial
	now         time.Time
	stale       bool // the way changed: the caller takes the delays anew
	acked       float64
	queue       time.Duration
	least       float64 // bits a second below which nothing can be sent
	spare       spare
}

// lossTrial finds out whether loss without a queue is the sender's doing.
type lossTrial struct {
	began   time.Time // zero: none goes on
	before  float64   // loss
	rate    float64   // before
	ignored time.Time // loss says nothing until then
	wait    time.Duration
}

// NewController starts without a limit.
func NewController(cfg Config) *Controller { return &Controller{cfg: cfg, hold: holdAfter} }

// sight is what all links together tell.
type sight struct {
	known bool
	acked float64
	queue time.Duration // at those that suffer, the least; at the server's otherwise
	loss  float64
	whose Side // has a queue, or loses much
}

// suffers tells whether a link has a queue or loses more than chance does.
func (p *Path) suffers() bool { return p.Known && (p.Queue > queueHigh || p.Loss > lossHigh) }

// look weighs the links: what the server's link and at least half of the others suffer is of the sender.
func (c *Controller) look(paths []Path, now time.Time) (s sight) {
	direct, directSuffer, server, serverSuffers := 0, 0, false, false
	worst := sight{queue: time.Hour, loss: 1}
	for i := range paths {
		p := &paths[i]
		s.acked += float64(p.AckedBPS) // also of what waited on the way when its path came to rest
		if !p.Known || p.Paused {
			continue
		}
		s.known = true
		switch {
		case p.Server:
			server, serverSuffers = true, p.suffers()
			s.queue, s.loss = p.Queue, p.Loss
		case p.suffers():
			directSuffer++
			direct++
		default:
			direct++
		}
		if p.suffers() {
			worst.queue, worst.loss = min(worst.queue, p.Queue), min(worst.loss, p.Loss)
		}
	}
	alone := serverSuffers && directSuffer == 0 && direct > 0
	if !alone {
		c.serverSince = time.Time{}
	} else if c.serverSince.IsZero() {
		c.serverSince = now
	}
	switch {
	case serverSuffers && 2*directSuffer >= direct, !server && direct > 0 && directSuffer == direct:
		s.whose, s.queue, s.loss = SideUplink, worst.queue, worst.loss
	case alone && now.Sub(c.serverSince) >= blameServer:
		s.whose = SideServer
	case !server:
		s.queue, s.loss = 0, 0
	}
	return s
}

// Decide follows the links, about ten times a second, and says what to send for what is asked for. copies
// of a paused path say nothing.
func (c *Controller) Decide(paths []Path, asked Asked, now time.Time) Decision {
	elapsed := now.Sub(c.now)
	if c.now.IsZero() || elapsed > time.Second {
		elapsed = 0
	}
	c.now, c.stale = now, false
	s := c.look(paths, now)
	if s.known {
		c.acked, c.queue = s.acked, s.queue
		c.follow(&s, elapsed, now)
		c.spare.follow(&s, c.limited(), elapsed, now)
	}
	d := c.policy.choose(&c.cfg, paths, asked, c.budget(now), now)
	c.least = d.leastBPS
	if c.limited() && d.Full && c.rate >= fullMargin*d.needBPS {
		c.rate, c.whose = 0, SideNone
	}
	d.Limited, d.Rebase = c.limited(), c.stale
	if d.Limited {
		d.Whose, d.UplinkBPS = c.whose, int(c.rate)
	}
	return d
}

func (c *Controller) limited() bool { return c.rate > 0 }

// budget is what live packets may use, 0 for no limit.
func (c *Controller) budget(now time.Time) float64 {
	if !c.limited() {
		return 0
	}
	return max(c.rate-8*c.spare.spent(now), c.floor())
}

// floor is the least limit that makes sense.
func (c *Controller) floor() float64 { return max(c.least*leastShare, leastRate) }

// follow moves the limit by one look.
func (c *Controller) follow(s *sight, elapsed time.Duration, now time.Time) {
	waits := s.whose != SideNone && s.queue > queueHigh
	loses := s.whose != SideNone && s.loss > lossHigh
	settled := now.Sub(c.cutAt) >= effectAfter
	c.endTrial(s, now)
	switch {
	case waits && c.spare.yield(now): // what is not live goes first
	case waits && settled && c.stands(s, now):
		c.stale = true
	case waits && settled && s.queue > c.cutQueue-queueFalls:
		c.cut(s, now)
	case waits:
		c.cutQueue = min(c.cutQueue, s.queue) // drains: to be left alone as long as it does
	case loses && settled && now.After(c.lossTrial.ignored) && c.lossTrial.began.IsZero():
		c.beginTrial(s, now)
	default:
		c.cutQueue, c.steadySince = 0, time.Time{}
		if c.limited() && now.Sub(c.cutAt) >= c.hold && !loses {
			c.rise(elapsed, now)
		}
	}
}

// stands tells whether a queue is not of the sender's making: for long it has neither grown nor fallen,
// nor lost anything.
func (c *Controller) stands(s *sight, now time.Time) bool {
	if c.steadySince.IsZero() || s.loss > 0.02 || s.queue > c.steadyQueue+2*queueFalls || s.queue < c.steadyQueue-2*queueFalls {
		c.steadySince, c.steadyQueue = now, s.queue
	}
	return now.Sub(c.steadySince) >= standsFor
}

// cut goes below what arrived.
func (c *Controller) cut(s *sight, now time.Time) {
	share := cutUsual
	switch {
	case s.queue > queueHuge || s.loss > lossHigh:
		share = cutHard
	case s.queue < queueSmall:
		share = cutMild
	}
	near := c.limited() && c.acked > nearBelow*c.knee && c.acked < c.knee/nearBelow
	if c.hold = holdAfter; near {
		c.hold = holdLongest
	}
	rate := share * c.acked
	if c.limited() {
		rate = min(rate, c.rate)
	}
	c.whose = s.whose
	c.rate, c.knee = max(rate, c.floor()), max(c.acked, leastRate)
	c.cutAt, c.cutQueue, c.clearSince = now, s.queue, time.Time{}
}

// beginTrial sends less to see whether less is lost.
func (c *Controller) beginTrial(s *sight, now time.Time) {
	t := &c.lossTrial
	t.began, t.before, t.rate = now, s.loss, c.rate
	c.cut(s, now)
}

// endTrial concludes it: loss that stays has another cause.
func (c *Controller) endTrial(s *sight, now time.Time) {
	t := &c.lossTrial
	if t.began.IsZero() || now.Sub(t.began) < 4*effectAfter {
		return
	}
	cutMeanwhile := c.cutAt.After(t.began) // since a queue called for less
	t.began = time.Time{}
	if s.loss < 0.6*t.before {
		t.wait = 0
		return
	}
	t.wait = min(max(2*t.wait, 30*time.Second), 5*time.Minute)
	t.ignored = now.Add(t.wait)
	if cutMeanwhile {
		return
	}
	if c.rate = t.rate; t.rate == 0 {
		c.whose = SideNone
	}
}

// rise lets more be sent: slowly around the rate that was too much, ever faster beyond it.
func (c *Controller) rise(elapsed time.Duration, now time.Time) {
	a := riseFirst
	switch {
	case c.rate < nearBelow*c.knee:
		c.clearSince = time.Time{}
	case c.rate < nearAbove*c.knee:
		a, c.clearSince = riseNear, time.Time{}
	case c.clearSince.IsZero():
		c.clearSince = now
	default:
		a = min(riseMost, riseFirst*(1+now.Sub(c.clearSince).Seconds()))
	}
	most := max(mostAhead*c.acked, c.floor(), c.rate) // what was never sent is not known to fit
	c.rate = min(c.rate*(1+a*elapsed.Seconds()), most)
}
