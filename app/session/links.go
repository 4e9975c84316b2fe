package session

import (
	"context"
	"errors"
	"time"

	"gasso/net/peer"
	"gasso/net/signaling"
)

const (
	housekeeping = 500 * time.Millisecond
	returnWithin = 15 * time.Second // for the others to find a server that started anew
)

// newLink makes a connection that carries the own microphone.
func (s *Session) newLink(remote, self string) (*peer.Link, error) {
	s.mu.Lock()
	factory := s.factory
	s.mu.Unlock()
	if factory == nil {
		return nil, errNotConnected
	}
	var link *peer.Link
	link, err := factory.NewLink(peer.LinkConfig{
		LocalID: self, RemoteID: remote, Offerer: remote != signaling.ServerID && self < remote,
		Send:    func(m *signaling.Signal) { _ = s.send(m) },
		OnTrack: func(sub *peer.Subscriber) { s.receive(remote, sub) },
		OnState: func(state peer.State) {
			if state == peer.StateFailed {
				select {
				case s.failing <- link:
				default:
				}
			}
		},
		Channels: s.channels(remote),
		Log:      s.log,
	})
	if err != nil {
		return nil, err
	}
	if err := s.publisher.Load().AttachTo(link); err != nil {
		return nil, errors.Join(err, link.Close())
	}
	return link, nil
}

func (s *Session) negotiate(link *peer.Link) {
	if err := link.Negotiate(); err != nil {
		s.log.Warn("negotiation failed", "remote", link.RemoteID(), "error", err)
	}
}

// onSignal passes a description or candidate to the connection that it belongs to, and makes a new
// connection when there is none or the other side started over.
func (s *Session) onSignal(m *signaling.Signal) {
	err := peer.ErrStartOver
	link := s.linkTo(m.From)
	if link != nil {
		err = link.Handle(m)
	}
	if errors.Is(err, peer.ErrStartOver) {
		if link = s.replaceLink(m.From, link); link == nil {
			s.log.Warn("signal from somebody with whom there is no connection", "from", m.From)
			return
		}
		if s.offersTo(m.From) {
			err = link.Negotiate()
		} else {
			err = link.Handle(m)
		}
	}
	if err != nil {
		s.log.Warn("signal refused", "from", m.From, "error", err)
	}
}

// offersTo tells who of the two offers: the smaller participant id, and never this side to the server.
func (s *Session) offersTo(remote string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return remote != signaling.ServerID && s.self.id < remote
}

func (s *Session) linkTo(remote string) *peer.Link {
	s.mu.Lock()
	defer s.mu.Unlock()
	if remote == signaling.ServerID {
		return s.serverLink
	}
	if p := s.performers[remote]; p != nil {
		return p.currentLink()
	}
	return nil
}

// replaceLink closes old, if there is one, and makes a new connection to the server or to a performer
// in the room; nil when there is no such performer, or packets go through the server alone.
func (s *Session) replaceLink(remote string, old *peer.Link) *peer.Link {
	if old != nil {
		_ = old.Close()
	}
	s.mu.Lock()
	self, p := s.self.id, s.performers[remote]
	wanted := remote == signaling.ServerID || p != nil && s.directLocked(p)
	s.mu.Unlock()
	if !wanted {
		return nil
	}
	link, err := s.newLink(remote, self)
	if err != nil {
		s.log.Error("connection could not be prepared", "remote", remote, "error", err)
		link = nil // the next signal tries again
	}
	if p != nil {
		p.setLink(link)
		return link
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serverLink = link
	return link
}

// runLinks restarts failed connections and retires voices that fell silent. A connection that the
// other side closed is made anew at the next tick: by then the room has said whether they left.
func (s *Session) runLinks(ctx context.Context) {
	tick, look := time.NewTicker(housekeeping), time.NewTicker(recoverEvery)
	defer tick.Stop()
	defer look.Stop()
	recovering := newRecoverer(s)
	closed := map[*peer.Link]bool{}
	for {
		select {
		case <-ctx.Done():
			return
		case link := <-s.failing:
			switch err := link.Restart(); {
			case errors.Is(err, peer.ErrStartOver):
				closed[link] = true
			case err != nil && !errors.Is(err, peer.ErrClosed):
				s.log.Warn("connection could not be restarted", "remote", link.RemoteID(), "error", err)
			}
		case <-s.linkHint:
			recovering.hint(time.Now())
		case now := <-look.C:
			for _, link := range recovering.observe(now) {
				closed[link] = true
			}
		case now := <-tick.C:
			s.announceDelay(now)
			rtt := s.serverRTT()
			for _, p := range *s.playout.performers.Load() {
				p.keepHouse(now)
				p.aimRequests(rtt)
			}
			s.renewLinks(closed, now)
			clear(closed)
		}
	}
}

// renewLinks replaces connections that the other side closed, if they are still the current ones, and
// forgets those who did not come back to a server that started anew.
func (s *Session) renewLinks(closed map[*peer.Link]bool, now time.Time) {
	s.linking.Lock()
	defer s.linking.Unlock()
	for _, id := range s.missing(now) {
		s.removePerformer(id)
	}
	for old := range closed {
		if s.linkTo(old.RemoteID()) != old {
			continue
		}
		if link := s.replaceLink(old.RemoteID(), old); link != nil {
			s.negotiate(link)
		}
	}
}

// missing names those who had the time to come back.
func (s *Session) missing(now time.Time) (ids []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range s.order {
		if since := s.performers[id].missedSince; !since.IsZero() && now.Sub(since) > returnWithin {
			ids = append(ids, id)
		}
	}
	return ids
}
