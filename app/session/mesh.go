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

const housekeeping = 500 * time.Millisecond

// onJoined takes the room as the server describes it. With the same participant id only the
// differences matter, even if the server started anew: direct connections go on. Otherwise everything
// starts over.
func (s *Session) onJoined(conn *signaling.Conn, j *signaling.Joined) error {
	s.mu.Lock()
	same := j.ParticipantID == s.self.id && s.factory != nil
	s.mu.Unlock()
	if !same {
		if err := s.startOver(j); err != nil {
			return err
		}
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
	s.state, s.problem, s.conn = StateJoined, "", conn
	publication := s.publication
	s.mu.Unlock()
	s.log.Info("joined", "participant", j.ParticipantID, "role", j.Role, "resumed", j.Resumed, "others", len(j.Participants))
	if publication != nil {
		_ = s.send(publication)
	}
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
	self := s.selfParticipant()
	if direct, _ := signaling.Paths(&self, &info); !direct || p.currentLink() != nil {
		return
	}
	link, err := s.newLink(info.ID, self.ID)
	if err != nil {
		s.log.Error("connection to performer could not be prepared", "participant", info.ID, "error", err)
		return
	}
	p.setLink(link)
	if s.offersTo(info.ID) {
		s.negotiate(link)
	}
}

// performer finds or makes the state kept of a participant.
func (s *Session) performer(info signaling.Participant) *performer {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.performers[info.ID]
	if p == nil {
		p = newPerformer(info)
		s.performers[info.ID] = p
		s.order = append(s.order, info.ID)
		s.applyStripsLocked()
		s.publishVoicesLocked()
	}
	return p
}

func (s *Session) selfParticipant() signaling.Participant {
	s.mu.Lock()
	defer s.mu.Unlock()
	return signaling.Participant{ID: s.self.id, Role: s.self.role, Topology: s.cfg.Topology, Receive: s.cfg.Receive}
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
		s.log.Error("performer cannot be decoded", "participant", p.info.ID, "error", err)
	}
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
	return link, s.publisher.Load().AttachTo(link)
}

func (s *Session) negotiate(link *peer.Link) {
	if err := link.Negotiate(); err != nil {
		s.log.Warn("negotiation failed", "remote", link.RemoteID(), "error", err)
	}
}

// onSignal passes a description or candidate to the connection that it belongs to, and makes a new
// connection when the other side started over.
func (s *Session) onSignal(m *signaling.Signal) {
	link := s.linkTo(m.From)
	if link == nil {
		if link = s.replaceLink(m.From, nil); link == nil {
			s.log.Warn("signal from somebody who is not in the room", "from", m.From)
			return
		}
	}
	err := link.Handle(m)
	if errors.Is(err, peer.ErrStartOver) {
		if link = s.replaceLink(m.From, link); link == nil {
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

// replaceLink closes old, if there is one, and makes a new connection to a performer in the room or
// to the server; nil when there is no such performer.
func (s *Session) replaceLink(remote string, old *peer.Link) *peer.Link {
	if old != nil {
		_ = old.Close()
	}
	s.mu.Lock()
	self, p := s.self.id, s.performers[remote]
	s.mu.Unlock()
	if p == nil && remote != signaling.ServerID {
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
	s.mu.Lock()
	p := s.performers[origin]
	s.mu.Unlock()
	if p == nil {
		if origin != mixID {
			s.log.Warn("track of somebody who is not in the room", "origin", origin)
			return
		}
		p = s.performer(signaling.Participant{ID: mixID})
	}
	err := sub.Run(func(pk *packet.Packet, arrival time.Time) { p.deliver(path, pk, arrival) }, s.clock.RoomSample)
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
			for link := range closed {
				s.renewLink(link)
			}
			clear(closed)
		}
	}
}

// renewLink replaces a connection that is still the current one.
func (s *Session) renewLink(old *peer.Link) {
	if s.linkTo(old.RemoteID()) != old {
		return
	}
	if link := s.replaceLink(old.RemoteID(), old); link != nil {
		s.negotiate(link)
	}
}
