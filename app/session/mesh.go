package session

import (
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
	}
	s.useTransport(&j.TransportOptions)
	s.mu.Lock()
	s.self = identity{id: j.ParticipantID, secret: j.ResumeSecret, role: j.Role}
	s.rememberLocked()
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
		Loopback: j.TransportOptions.Loopback, Ways: s.cfg.Ways, TLS: s.cfg.TLS, Log: s.log, // servers follow
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
	s.stopRenewalLocked()
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
		p.latency.room = s.clock.RoomNS
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
	own := &source{sub}
	sub.SetResidual(func() int64 {
		if p := s.playout.performer(origin); p != nil {
			return p.missingPackets()
		}
		return 0
	})
	if p := s.playout.performer(origin); p != nil {
		p.noteSource(path, own) // even if none of its packets can be used
	}
	err := sub.Run(func(pk *packet.Packet, arrival time.Time) {
		if p := s.playout.performer(origin); p != nil {
			p.noteSource(path, own)
			p.deliver(path, pk, arrival)
		}
	}, s.clock.RoomSample)
	if p := s.playout.performer(origin); p != nil {
		p.endSource(path, own)
	}
	if err != nil {
		s.log.Debug("track ended", "origin", origin, "error", err)
	}
}
