package room

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"gasso/net/packet"
	"gasso/net/peer"
	"gasso/net/signaling"
	"gasso/server/limits"
	"gasso/server/mixer"
	"gasso/server/sfu"
)

// A participant may have its link started over in bursts, but not for long.
const (
	startOverSeconds = 3
	startOverBurst   = 5

	longestAsk = 50 * time.Millisecond // of a round trip: live buffers hold about that
)

// Track is the way of one participant's packets through the server.
type Track struct {
	forward  *sfu.Track
	input    *mixer.Input
	shelf    *shelf // nil: nothing is kept
	limit    *limits.Rate
	received atomic.Int64
	dropped  atomic.Int64                    // above the limit
	source   atomic.Pointer[peer.Subscriber] // that delivers, or did last
	strays   atomic.Int64                    // of publications that were not announced: forwarded, not mixed

	announced atomic.Pointer[[]signaling.Publication] // the newest first, replaced by the room's goroutine

	reading sync.Mutex // held by the one subscriber that delivers
}

// pastPackets counts for those who left, so that the room's counters never go back.
type pastPackets struct{ dropped, strays, backfilled, refused int64 }

// maxAnnounced is how many publications of one participant are known at once: the current one and
// those whose last packets are still on their way.
const maxAnnounced = 4

func (r *Room) newTrack(participantID string) *Track {
	t := &Track{
		forward: r.forwarder.Publish(participantID), input: r.mixer.AddInput(participantID),
		limit: r.cfg.Limits.Packets(),
	}
	t.shelf = r.newShelf(participantID, t.input)
	t.announced.Store(&[]signaling.Publication{})
	return t
}

// announce learns of a new publication; its packets name it by generation.
func (t *Track) announce(publication signaling.Publication) {
	others := slices.DeleteFunc(slices.Clone(*t.announced.Load()), func(p signaling.Publication) bool { return p.ID == publication.ID })
	known := append([]signaling.Publication{publication}, others...)
	known = known[:min(len(known), maxAnnounced)]
	t.shelf.announce(&publication)
	t.announced.Store(&known)
}

// identify fills in the packet's publication; false when it was not announced.
func (t *Track) identify(p *packet.Packet) bool {
	for _, publication := range *t.announced.Load() {
		if publication.Generation == p.Generation {
			p.Publication = publication.ID
			return true
		}
	}
	return false
}

// deliver takes one packet from the participant's subscriber. Nothing in it blocks.
func (t *Track) deliver(p *packet.Packet, arrival time.Time) {
	if !t.limit.Allow(arrival) {
		t.dropped.Add(1)
		return
	}
	t.received.Add(1)
	t.forward.Forward(p)
	if !t.identify(p) {
		t.strays.Add(1)
		return
	}
	t.input.Push(p, arrival)
	t.shelf.Append(p)
}

// mediaLink is the media connection with one participant.
type mediaLink struct {
	*peer.Link
	state   atomic.Pointer[peer.State] // as told last
	watch   *linkWatch                 // of the room's goroutine
	dropped atomic.Bool                // about to be closed: says nothing more
}

func (l *mediaLink) current() peer.State {
	if state := l.state.Load(); state != nil {
		return *state
	}
	return peer.StateNew
}

// openLink makes the link with a participant and offers it what it is to hear.
func (r *Room) openLink(p *participant) {
	if r.cfg.Media == nil || !p.performs() {
		return
	}
	l := &mediaLink{}
	made, err := r.cfg.Media.NewLink(peer.LinkConfig{
		LocalID: signaling.ServerID, RemoteID: p.id, Offerer: true, Log: r.log,
		Send: func(s *signaling.Signal) {
			if s.From = signaling.ServerID; !l.dropped.Load() {
				p.send(s)
			}
		},
		OnTrack: func(s *peer.Subscriber) { r.runSubscriber(p, s) },
		OnState: func(state peer.State) { l.state.Store(&state) },

		Channels: r.channels(p),
	})
	if err != nil {
		r.log.Error("link not made", "participant", p.id, "error", err)
		p.send(&signaling.Error{Code: signaling.CodeInternal, Message: "The server could not open a media connection.", Next: "Join again; if it stays, tell the operator."})
		return
	}
	l.Link = made
	l.watch = newLinkWatch(p.track, time.Now())
	p.swapLink(l)
	r.openFeed(p, l)
	r.updatePaths()
	if err := l.Negotiate(); err != nil {
		r.log.Error("link not offered", "participant", p.id, "error", err)
	}
}

// isShort tells whether a packet that is asked for again comes while those who play it may still wait for it.
func isShort(rtt time.Duration) bool { return rtt > 0 && rtt <= longestAsk }

// runSubscriber delivers one of the participant's tracks until it ends. A second one waits for the
// first to end.
func (r *Room) runSubscriber(p *participant, s *peer.Subscriber) {
	if s.StreamID() != p.id {
		r.log.Warn("track of a foreign name refused", "participant", p.id, "name", s.StreamID())
		return
	}
	p.track.reading.Lock()
	defer p.track.reading.Unlock()
	p.track.source.Store(s)
	s.AskForGaps(func() bool {
		link := p.currentLink()
		return link != nil && isShort(link.LastStats().RTT)
	})
	r.guarded(func() {
		if err := s.Run(p.track.deliver, r.cfg.Clock.Sample); err != nil {
			r.log.Debug("track ended", "participant", p.id, "error", err)
		}
	})
}

// handleServerSignal gives a signal to the participant's link, on the goroutine of its connection.
func (r *Room) handleServerSignal(p *participant, m *signaling.Signal) error {
	link := p.currentLink()
	if link == nil {
		return &signaling.Error{Code: signaling.CodeForbidden, Message: "You have no media connection with this server.", Next: "Join as a performer to publish and hear."}
	}
	if err := checkSignal(m); err != nil {
		return err
	}
	if m.Renegotiate != nil && !p.wishes.AllowN(r.cfg.Now(), 1) {
		return tooFast("Too many wishes for a new offer.", 1)
	}
	err := link.Handle(m)
	switch {
	case errors.Is(err, peer.ErrStartOver):
		if !p.starts.AllowN(r.cfg.Now(), 1) {
			return tooFast("The connection is started over too often.", startOverSeconds)
		}
		r.post(func() { r.startOver(p, link) })
		return nil
	case errors.Is(err, peer.ErrNotAudio):
		return notAudio()
	case errors.Is(err, peer.ErrBadSignal):
		return &signaling.Error{Code: signaling.CodeBadMedia, Message: "The session description or candidate is malformed.", Next: "Send what WebRTC gave."}
	case errors.Is(err, peer.ErrClosed):
		return nil // replaced meanwhile; the new link has offered already
	case err != nil:
		r.log.Warn("signal not applied", "participant", p.id, "error", err)
		return &signaling.Error{Code: signaling.CodeBadMedia, Message: "The session description or candidate could not be used.", Next: "Ask for a new offer with renegotiate."}
	}
	return nil
}

// startOver replaces a link by a new one, once the old one has ended.
func (r *Room) startOver(p *participant, old *mediaLink) {
	if p.currentLink() != old || r.participants[p.id] != p || p.starting {
		return
	}
	p.starting = true
	r.dropLink(p, func() {
		r.post(func() {
			p.starting = false
			if r.participants[p.id] == p {
				r.openLink(p)
			}
		})
	})
}

// dropLink takes the participant's link away and closes it in the background, then calls after.
func (r *Room) dropLink(p *participant, after func()) {
	link := p.swapLink(nil)
	if link != nil {
		link.dropped.Store(true)
	}
	feed := p.feed
	p.feed = nil
	for from := range p.subscribed {
		r.forwarder.Unsubscribe(from, p.id)
	}
	clear(p.subscribed)
	r.workers.Go(func() {
		r.guarded(func() {
			if feed != nil {
				feed.close()
			}
			if link != nil {
				if err := link.Close(); err != nil {
					r.log.Debug("link closed", "participant", p.id, "error", err)
				}
			}
		})
		after()
	})
}

// closeMedia ends everything that a participant sent and heard.
func (r *Room) closeMedia(p *participant) {
	if link := p.currentLink(); link != nil {
		link.dropped.Store(true)
	}
	r.forwarder.Remove(p.id)
	if p.track != nil {
		r.mixer.RemoveInput(p.id)
		p.track.shelf.close()
		r.past.dropped += p.track.dropped.Load()
		r.past.strays += p.track.strays.Load()
		later := p.track.shelf.stats()
		r.past.backfilled += later.Packets
		r.past.refused += refusedLater(later)
	}
	r.dropLink(p, func() {})
}

// updatePaths subscribes everybody to what it is to get from the server, and to nothing else.
func (r *Room) updatePaths() {
	for _, to := range r.order {
		link := to.currentLink()
		if link == nil {
			continue
		}
		toPublic := to.public()
		for _, from := range r.order {
			if from != to && from.performs() {
				r.updatePath(from, to, &toPublic, link)
			}
		}
	}
}

func (r *Room) updatePath(from, to *participant, toPublic *signaling.Participant, link *mediaLink) {
	fromPublic := from.public()
	_, forwarded := signaling.Paths(&fromPublic, toPublic)
	wanted := forwarded && !to.off[from.id]
	switch have := to.subscribed[from.id]; {
	case wanted && have != link:
		if err := r.forwarder.Subscribe(from.id, link.Link, to.id); err != nil {
			r.log.Warn("track not forwarded", "from", from.id, "to", to.id, "error", err)
			return
		}
		to.subscribed[from.id] = link
	case !wanted && have != nil:
		r.forwarder.Unsubscribe(from.id, to.id)
		delete(to.subscribed, from.id)
	}
}
