package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"gasso/net/congestion"
	"gasso/net/peer"
	"gasso/net/signaling"
)

const (
	adaptEvery   = 100 * time.Millisecond
	downlinkLook = 250 * time.Millisecond

	leastBitrate = 6000 // bit/s
	mostBitrate  = 510_000
)

// adaptation fits what is sent into the uplink and what is received into the downlink.
type adaptation struct {
	mu         sync.Mutex // guards everything below
	controller *congestion.Controller
	decision   congestion.Decision
	resting    map[*peer.Link]bool // direct links that carry nothing for want of uplink
	paths      []congestion.Path   // scratch
	down       downlink

	mixing atomic.Bool // the others come in one small mix
}

func (a *adaptation) init(cfg *Config) {
	a.controller = congestion.NewController(congestion.Config{FloorBPS: cfg.BitrateMinBPS, CeilingBPS: cfg.BitrateMaxBPS})
	a.resting = map[*peer.Link]bool{}
	a.down.init()
}

// spare is what live packets leave of the uplink, in bytes a second.
func (a *adaptation) spare() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.controller.Spare()
}

// spent notes bytes that were sent besides live packets.
func (a *adaptation) spent(bytes int, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.controller.Spent(bytes, now)
}

// runAdaptation follows the network until ctx ends.
func (s *Session) runAdaptation(ctx context.Context) {
	tick := time.NewTicker(adaptEvery)
	defer tick.Stop()
	var looked time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			s.adaptUplink(now)
			if now.Sub(looked) >= downlinkLook {
				looked = now
				s.adaptDownlink(now)
			}
		}
	}
}

// directLink is a link to a performer, which the server may stand in for.
type directLink struct {
	*peer.Link
	rtt time.Duration
}

// uplinks are the links that carry the own packets now; mayRest tells whether the server reaches everybody
// that the direct ones do.
func (s *Session) uplinks() (server *peer.Link, direct []directLink, mayRest bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	mayRest = true
	self := signaling.Participant{ID: s.self.id, Role: s.self.role, Topology: s.cfg.Topology, Receive: s.cfg.Receive}
	if carries(s.serverLink) {
		server = s.serverLink
	}
	for _, id := range s.order {
		p := s.performers[id]
		link := p.currentLink()
		if !carries(link) {
			continue
		}
		direct = append(direct, directLink{link, link.LastStats().RTT})
		_, forwarded := signaling.Paths(&self, &p.info)
		mayRest = mayRest && forwarded
	}
	slices.SortStableFunc(direct, func(a, b directLink) int { return cmp.Compare(a.rtt, b.rtt) })
	return server, direct, mayRest
}

func carries(l *peer.Link) bool {
	return l != nil && l.LastStats().State == peer.StateConnected && l.Congestion() != nil
}

// adaptUplink decides and acts: bitrate, copies, packet length and paths together.
func (s *Session) adaptUplink(now time.Time) {
	publisher := s.publisher.Load()
	if publisher == nil {
		return
	}
	server, direct, mayRest := s.uplinks()
	asked := s.microphone.askedUplink()
	asked.MayRest = mayRest
	a := &s.adaptation
	a.mu.Lock()
	before := a.decision
	d := a.decideLocked(publisher, server, direct, asked, now)
	a.decision = d
	a.applyLocked(publisher, server, direct, d)
	a.mu.Unlock()
	s.microphone.follow(d)
	s.clockwork.sparing.Store(d.Limited || a.mixing.Load())
	if d.Limited != before.Limited || d.FrameSamples != before.FrameSamples || d.Direct != before.Direct {
		s.log.Info("sending follows the uplink", "limited", d.Limited, "whose", d.Whose, "uplink_bps", d.UplinkBPS,
			"bitrate_bps", d.BitrateBPS, "frame_samples", d.FrameSamples, "direct_paths", d.Direct, "most_copies", d.MaxCopies)
	}
}

func (a *adaptation) decideLocked(publisher *peer.Publisher, server *peer.Link, direct []directLink, asked congestion.Asked, now time.Time) congestion.Decision {
	a.paths = a.paths[:0]
	add := func(l *peer.Link, ofServer bool) {
		a.paths = append(a.paths, congestion.Path{
			Server: ofServer, Paused: a.resting[l], Copies: publisher.Counters(l).RedundantDepth, Report: l.Congestion().Report(now),
		})
	}
	if server != nil {
		add(server, true)
	}
	for _, l := range direct {
		add(l.Link, false)
	}
	d := a.controller.Decide(a.paths, asked, now)
	if d.Rebase {
		for _, l := range direct {
			l.Congestion().Rebase(now)
		}
		if server != nil {
			server.Congestion().Rebase(now)
		}
	}
	return d
}

// applyLocked bounds the copies, and lets direct links rest: those with the longest round trip first, which
// a way through the server costs least. One that rests does so until there is room for one more.
func (a *adaptation) applyLocked(publisher *peer.Publisher, server *peer.Link, direct []directLink, d congestion.Decision) {
	if server != nil {
		publisher.LimitCopies(server, d.MaxCopies)
		server.SetSparing(d.Limited)
	}
	known := map[*peer.Link]bool{}
	active := 0
	for _, l := range direct {
		publisher.LimitCopies(l.Link, d.MaxCopies)
		l.SetSparing(d.Limited)
		known[l.Link] = true
		if !a.resting[l.Link] {
			active++
		}
	}
	for l := range a.resting {
		if !known[l] {
			publisher.Rest(l, false)
			delete(a.resting, l)
		}
	}
	for i := len(direct) - 1; i >= 0 && active > d.Direct; i-- {
		if l := direct[i].Link; !a.resting[l] {
			a.resting[l] = true
			publisher.Rest(l, true)
			active--
		}
	}
	for _, l := range direct {
		if active < d.Direct && a.resting[l.Link] {
			delete(a.resting, l.Link)
			publisher.Rest(l.Link, false)
			active++
		}
	}
}

// askedUplink is what the microphone would send without a limit of the network.
func (m *microphone) askedUplink() congestion.Asked {
	m.mu.Lock()
	defer m.mu.Unlock()
	samples, _ := frameSamples(m.governedLocked().mode) // checked when it was set
	return congestion.Asked{BitrateBPS: m.bitrateLocked(), FrameSamples: samples, Music: m.processing.Music}
}

// follow takes what the uplink carries.
func (m *microphone) follow(d congestion.Decision) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before, bitrate := m.qualityLocked(), m.uplinkBitrate
	m.uplinkBitrate, m.uplinkFrame = d.BitrateBPS, d.FrameSamples
	m.followLocked(before)
	if m.mic == nil || d.BitrateBPS == bitrate {
		return
	}
	if err := m.mic.SetBitrate(d.BitrateBPS); err != nil {
		m.session.log.Error("bitrate could not be changed", "bitrate_bps", d.BitrateBPS, "error", err)
	}
}

// atLeast has packets of so many samples or more.
func (q quality) atLeast(samples int) quality {
	for q.mode != ModeSafe {
		if own, err := frameSamples(q.mode); err != nil || own >= samples {
			break
		}
		q.mode = q.mode.longer()
	}
	if samples > safeFrameSamples {
		q.long = samples
	}
	return q
}

// CheckBitrate says what is wrong with bounds of the bitrate in bit/s; 0 chooses.
func CheckBitrate(least, most int) error {
	for _, b := range [...]int{least, most} {
		if b != 0 && (b < leastBitrate || b > mostBitrate) {
			return fmt.Errorf("a bitrate of %d bit/s is not possible; it takes 0 to choose, or %d to %d", b, leastBitrate, mostBitrate)
		}
	}
	if least > 0 && most > 0 && least > most {
		return errors.New("the least bitrate is above the highest one")
	}
	return nil
}

// packetMode is the mode whose packet length is in effect.
func (m *microphone) packetMode() Mode {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.qualityLocked().mode
}
