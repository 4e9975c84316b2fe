package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gasso/audio/jitter"
	"gasso/net/packet"
	"gasso/net/peer"
	"gasso/net/signaling"
)

// mixID is the origin of the server's mix-minus for those who receive a mix.
const mixID = "mix"

const (
	housekeeping = 500 * time.Millisecond
	returnWithin = 15 * time.Second // for the others to find a server that started anew
)

// onJoined takes the room as the server describes it. With the same participant id only the
// differences matter, even if the server started anew: direct connections go on, also to those who
// have not found it yet. Otherwise everything starts over.
func (s *Session) onJoined(conn *signaling.Conn, j *signaling.Joined) error {
	s.mu.Lock()
	same := j.ParticipantID == s.self.id && s.factory != nil
	s.mu.Unlock()
	if !same {
		if err := s.startOver(j); err != nil {
			return err
		}
	} else {
		s.useICEServers(j.TransportOptions.ICEServers)
	}
	s.mu.Lock()
	s.self = identity{id: j.ParticipantID, secret: j.ResumeSecret, role: j.Role}
	s.room, s.onAir = j.Room, j.OnAir
	for _, strip := range j.Strips {
		s.programStrip[strip.ParticipantID] = strip
	}
	gone := slices.DeleteFunc(slices.Clone(s.order), func(id string) bool {
		return id == mixID || slices.ContainsFunc(j.Participants, func(p signaling.Participant) bool { return p.ID == id })
	})
	if !j.Resumed { // the server knows nobody from before
		for _, id := range gone {
			s.performers[id].missedSince = time.Now()
		}
		gone = nil
	}
	s.state, s.problems.connection, s.conn = StateJoined, "", conn
	if s.publication != nil {
		_ = conn.Send(s.publication)
	}
	s.mu.Unlock()
	s.log.Info("joined", "participant", j.ParticipantID, "role", j.Role, "resumed", j.Resumed, "others", len(j.Participants))
	for _, id := range gone {
		s.removePerformer(id)
	}
	for _, p := range j.Participants {
		s.addPerformer(p)
	}
	return nil
}

// startOver forgets every connection and performer and prepares for a new participant id.
func (s *Session) startOver(j *signaling.Joined) error {
	s.closeLinks()
	factory, err := peer.NewFactory(peer.Config{
		ICEServers: j.TransportOptions.ICEServers, Loopback: j.TransportOptions.Loopback, Log: s.log,
	})
	if err != nil {
		return fmt.Errorf("prepare connections: %w", err)
	}
	s.publisher.Store(peer.NewPublisher(j.ParticipantID))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.factory = factory
	return nil
}

// useICEServers has connections made from now on use these; credentials expire.
func (s *Session) useICEServers(servers []signaling.ICEServer) {
	s.mu.Lock()
	factory := s.factory
	s.mu.Unlock()
	if factory == nil || len(servers) == 0 {
		return
	}
	if err := factory.SetICEServers(servers); err != nil {
		s.log.Warn("servers for connections refused", "error", err)
	}
}

// closeLinks ends every connection with a performer or the server's media.
func (s *Session) closeLinks() {
	s.mu.Lock()
	factory := s.factory
	all := s.performers
	s.factory, s.serverLink = nil, nil
	s.performers, s.order = map[string]*performer{}, nil
	clear(s.programStrip)
	clear(s.levels)
	s.publishVoicesLocked()
	s.mu.Unlock()
	if factory != nil {
		if err := factory.Close(); err != nil {
			s.log.Warn("closing connections failed", "error", err)
		}
	}
	for _, p := range all {
		p.close()
	}
}

// addPerformer takes a participant, new or known already.
func (s *Session) addPerformer(info signaling.Participant) {
	if info.Role == signaling.RoleListener {
		return
	}
	p := s.performer(info)
	if info.Publication != nil {
		s.addVoice(p, info.Publication)
	}
	if p.currentLink() != nil {
		return
	}
	if link := s.replaceLink(info.ID, nil); link != nil && s.offersTo(info.ID) {
		s.negotiate(link)
	}
}

// performer finds or makes the state kept of a participant.
func (s *Session) performer(info signaling.Participant) *performer {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.performers[info.ID]
	if p == nil {
		p = newPerformer(info.ID)
		s.performers[info.ID] = p
		s.order = append(s.order, info.ID)
		s.applyStripsLocked()
		s.publishVoicesLocked()
	}
	p.info, p.missedSince = info, time.Time{}
	return p
}

// directLocked tells whether packets between a performer and this one go peer to peer.
func (s *Session) directLocked(p *performer) bool {
	self := signaling.Participant{ID: s.self.id, Role: s.self.role, Topology: s.cfg.Topology, Receive: s.cfg.Receive}
	direct, _ := signaling.Paths(&self, &p.info)
	return direct
}

func (s *Session) removePerformer(id string) {
	s.mu.Lock()
	p := s.performers[id]
	delete(s.performers, id)
	delete(s.programStrip, id)
	delete(s.levels, id)
	s.order = slices.DeleteFunc(s.order, func(o string) bool { return o == id })
	s.applyStripsLocked()
	s.publishVoicesLocked()
	s.mu.Unlock()
	if p == nil {
		return
	}
	if link := p.currentLink(); link != nil {
		_ = link.Close()
	}
	p.close()
}

// publishVoicesLocked hands the playout goroutine its new list of performers.
func (s *Session) publishVoicesLocked() {
	list := make([]*performer, 0, len(s.order))
	for _, id := range s.order {
		list = append(list, s.performers[id])
	}
	s.playout.performers.Store(&list)
}

// onPublication learns of a performer's new encoder before its first packet.
func (s *Session) onPublication(m *signaling.Publication) {
	if m.ParticipantID == mixID {
		s.addVoice(s.performer(signaling.Participant{ID: mixID}), m)
		return
	}
	s.mu.Lock()
	p := s.performers[m.ParticipantID]
	s.mu.Unlock()
	if p != nil {
		s.addVoice(p, m)
	}
}

func (s *Session) addVoice(p *performer, m *signaling.Publication) {
	if err := p.addVoice(m, s.microphone.currentMode()); err != nil {
		s.log.Error("performer cannot be decoded", "participant", p.id, "error", err)
	}
	p.setMode(s.microphone.currentMode()) // it may have changed meanwhile
}

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
		Log: s.log,
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
		return nil
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

// receive runs for the life of one incoming track.
func (s *Session) receive(remote string, sub *peer.Subscriber) {
	origin, path := sub.StreamID(), jitter.PathForwarded
	if remote != signaling.ServerID {
		if origin != remote {
			s.log.Warn("performer sends a track in somebody else's name", "participant", remote, "origin", origin)
			return
		}
		path = jitter.PathDirect
	}
	if origin == mixID {
		s.performer(signaling.Participant{ID: mixID})
	}
	// Looked up for each packet: whoever leaves and comes back is another performer on the same track.
	err := sub.Run(func(pk *packet.Packet, arrival time.Time) {
		if p := s.playout.performer(origin); p != nil {
			p.deliver(path, pk, arrival)
		}
	}, s.clock.RoomSample)
	if err != nil {
		s.log.Debug("track ended", "origin", origin, "error", err)
	}
}

// runLinks restarts failed connections and retires voices that fell silent. A connection that the
// other side closed is made anew at the next tick: by then the room has said whether they left.
func (s *Session) runLinks(ctx context.Context) {
	tick := time.NewTicker(housekeeping)
	defer tick.Stop()
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
		case now := <-tick.C:
			for _, p := range *s.playout.performers.Load() {
				p.keepHouse(now)
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
