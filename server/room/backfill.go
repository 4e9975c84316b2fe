package room

import (
	"sync"
	"time"

	"gasso/net/backfill"
	"gasso/net/packet"
	"gasso/net/peer"
	"gasso/net/signaling"
	"gasso/server/journal"
	"gasso/server/mixer"
)

const (
	fillInterval   = 50 * time.Millisecond
	fillBuffered   = 16 << 10 // bytes of wishes that wait to be sent; above, no more are made
	fillRate       = 1 << 20  // bytes a second of backfill that one participant may send
	defaultProgram = time.Second
)

// shelf is what is kept of one participant's publications, and what of it is asked for later. A nil
// shelf keeps nothing.
type shelf struct {
	room   *Room
	keeper *journal.Keeper
	input  *mixer.Input

	mu        sync.Mutex // guards what follows
	requester *backfill.Requester
	channel   *peer.Channel // nil while there is none
	quit      chan struct{} // of its goroutine
}

// newShelf starts keeping what a participant sends.
func (r *Room) newShelf(participantID string, input *mixer.Input) *shelf {
	if r.cfg.Journal == nil {
		return nil
	}
	s := &shelf{room: r, keeper: r.cfg.Journal.Keeper(r.id, participantID), input: input}
	s.keeper.SetOnAir(r.air.live)
	s.requester = backfill.NewRequester(backfill.RequesterConfig{
		Open: s.open, Packet: s.take, RoomNS: r.cfg.Clock.NowNS, ProgramDelay: r.cfg.programDelay(), Rate: fillRate,
	})
	return s
}

// Append keeps a packet. It never blocks.
func (s *shelf) Append(p *packet.Packet) {
	if s != nil {
		s.keeper.Append(p)
	}
}

// announce keeps a new publication.
func (s *shelf) announce(p *signaling.Publication) {
	if s == nil {
		return
	}
	s.add(journal.Header{
		Publication: p.ID, Generation: p.Generation, Channels: p.Channels, FrameSamples: p.FrameSamples,
		LookAheadSamples: p.LookAheadSamples, Music: p.Music,
	})
}

func (s *shelf) add(h journal.Header) *journal.Writer {
	w, err := s.keeper.Publication(h)
	if err != nil {
		s.room.log.Warn("publication not kept", "publication", h.Publication, "error", err)
		return nil
	}
	return w
}

// setOnAir tells whether the room is on air.
func (s *shelf) setOnAir(live bool) {
	if s != nil {
		s.keeper.SetOnAir(live)
	}
}

// close ends keeping; what is queued is still written.
func (s *shelf) close() {
	if s != nil {
		s.keeper.Close()
	}
}

// stats are the counters of what was sent later.
func (s *shelf) stats() backfill.RequesterStats {
	if s == nil {
		return backfill.RequesterStats{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requester.Stats()
}

// backfillChannel is the data channel on which a participant sends later what could not be sent in time.
func (r *Room) backfillChannel(p *participant) []peer.ChannelConfig {
	s := p.track.shelf
	if s == nil {
		return nil
	}
	return []peer.ChannelConfig{{
		Name: "backfill", ID: 2, Reliable: true,
		OnOpen:    func(c *peer.Channel) { s.opened(p, c) },
		OnMessage: s.receive,
		OnClose:   s.closed,
	}}
}

// opened starts asking for what is missing.
func (s *shelf) opened(p *participant, c *peer.Channel) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.quit != nil {
		close(s.quit)
	}
	quit := make(chan struct{})
	s.channel, s.quit = c, quit
	s.requester.Opened()
	s.room.workers.Go(func() { s.room.guarded(func() { s.runBackfill(p, c, quit) }) })
}

func (s *shelf) closed(c *peer.Channel) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.channel == c {
		close(s.quit)
		s.channel, s.quit = nil, nil
	}
}

// receive takes a message of the participant. What is wrong in it is counted; others notice nothing.
func (s *shelf) receive(c *peer.Channel, message []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.channel == c {
		_ = s.requester.Take(message, s.room.cfg.Now())
	}
}

// open is the requester's door to publications that the participant says it holds, also those of earlier
// lives of its encoder or app. The caller holds mu.
func (s *shelf) open(have backfill.Have) backfill.Book {
	if !opusFrame(int(have.FrameSamples)) {
		return nil
	}
	w := s.add(journal.Header{
		Publication: have.Publication, Generation: have.Generation, Channels: int(have.Channels),
		FrameSamples: int(have.FrameSamples), LookAheadSamples: int(have.LookAheadSamples), Music: have.Music,
	})
	if w == nil {
		return nil
	}
	return w
}

// take gets a packet that was asked for. The caller holds mu.
func (s *shelf) take(p *packet.Packet) {
	s.Append(p)
	s.input.Fill(p, s.room.cfg.Now())
}

// runBackfill asks for what is missing until its channel ends. Nothing is sent while media is out.
func (s *shelf) runBackfill(p *participant, c *peer.Channel, quit <-chan struct{}) {
	ticker := time.NewTicker(fillInterval)
	defer ticker.Stop()
	for {
		select {
		case <-quit:
			return
		case <-ticker.C:
		}
		link := p.currentLink()
		if link == nil || link.current() != peer.StateConnected {
			continue
		}
		s.ask(c, link.Stats().RTT)
	}
}

// ask sends the wishes of the moment.
func (s *shelf) ask(c *peer.Channel, roundTrip time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.channel == c && c.Buffered() < fillBuffered {
		message, ok := s.requester.Next(roundTrip, s.room.cfg.Now())
		if !ok {
			return
		}
		if err := c.Send(message); err != nil {
			s.requester.AskAgain()
			return
		}
	}
}
