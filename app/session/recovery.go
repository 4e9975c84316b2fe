package session

import (
	"errors"
	"math/rand/v2"
	"time"

	"gasso/net/peer"
	"gasso/net/recovery"
	"gasso/net/signaling"
)

const (
	recoverEvery = 100 * time.Millisecond
	deafAfter    = 1500 * time.Millisecond // without packets or a sign of life from the server another connection is tried
	deafEvery    = 3 * time.Second
	peerPatience = 3 * time.Second // for a performer of whom nothing tells whether they can be reached
)

// recoverer restarts links on which no packets come. It belongs to the goroutine of runLinks.
type recoverer struct {
	session *Session
	watches map[*peer.Link]*watched
	kicked  time.Time
}

// watched is one link.
type watched struct {
	*recovery.Watch
	received uint64 // at the last look
}

func newRecoverer(s *Session) *recoverer {
	return &recoverer{session: s, watches: map[*peer.Link]*watched{}}
}

// hint tells all links that the network changed.
func (r *recoverer) hint(now time.Time) {
	for _, w := range r.watches {
		w.Hint(now)
	}
}

// observe looks at every link, and returns those that must be made anew.
func (r *recoverer) observe(now time.Time) (over []*peer.Link) {
	links, conn := r.session.watchedLinks()
	for link := range r.watches {
		if _, there := links[link]; !there {
			delete(r.watches, link)
		}
	}
	heard := time.Time{}
	if conn != nil {
		heard = conn.Heard()
	}
	for link, p := range links {
		w := r.watches[link]
		if w == nil {
			w = &watched{Watch: recovery.New(now, rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())))}
			r.watches[link] = w
		}
		stats := link.Stats() // which others see as LastStats
		sample := recovery.Sample{Received: stats.BytesReceived, Heard: heard, Restarted: stats.RestartedAt}
		if p != nil && sample.Received == w.received { // otherwise nobody asks
			sample.Heard, sample.Declined = reachable(heard, p.lastPacket()), p.declined.Load()
		}
		w.received = sample.Received
		if r.act(link, w.Observe(now, sample), conn) {
			over = append(over, link)
		}
		r.doubt(link, w.Silence(now), now.Sub(heard), now)
	}
	return over
}

// act does what a watch asks for, and tells whether only a new link can help.
func (r *recoverer) act(link *peer.Link, action recovery.Action, conn *signaling.Conn) (over bool) {
	log := r.session.log
	switch action {
	case recovery.Ask:
		if conn != nil {
			conn.Ping()
		}
		return false
	case recovery.StartOver:
		if r.session.offersTo(link.RemoteID()) {
			log.Warn("no packets come; the connection is made anew", "remote", link.RemoteID())
			return true
		}
	case recovery.None:
		return false
	}
	log.Info("no packets come; looking for another way", "remote", link.RemoteID())
	err := link.Restart()
	if err != nil && !errors.Is(err, peer.ErrStartOver) && !errors.Is(err, peer.ErrClosed) {
		log.Warn("connection could not be restarted", "remote", link.RemoteID(), "error", err)
	}
	return errors.Is(err, peer.ErrStartOver)
}

// doubt has another connection to the server tried when media and signaling are both silent: one that
// died without a word would be noticed only seconds later.
func (r *recoverer) doubt(link *peer.Link, silence, unheard time.Duration, now time.Time) {
	if link.RemoteID() != signaling.ServerID || silence < deafAfter || unheard < deafAfter || now.Sub(r.kicked) < deafEvery {
		return
	}
	r.kicked = now
	r.session.kickSignaling()
}

// reachable is when a performer was alive, given when the server was and when a packet of theirs came
// over any path: packets through the server prove it. Where nothing is known the network may be away at
// their side, which shall end by itself if it is short.
func reachable(server, packet time.Time) time.Time {
	patient := server.Add(-peerPatience)
	switch {
	case packet.Before(patient):
		return patient
	case packet.Before(server):
		return packet
	}
	return server
}

// watchedLinks are the links that are in use, with the performers of those that are direct, and the
// connection to the server, if there is one.
func (s *Session) watchedLinks() (map[*peer.Link]*performer, *signaling.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	links := make(map[*peer.Link]*performer, len(s.performers)+1)
	if s.serverLink != nil {
		links[s.serverLink] = nil
	}
	for _, p := range s.performers {
		if link := p.currentLink(); link != nil {
			links[link] = p
		}
	}
	return links, s.conn
}

// lastPacket is when the newest came, over any path.
func (p *performer) lastPacket() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.countsLocked().last
}
