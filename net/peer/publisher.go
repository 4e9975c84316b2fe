package peer

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"gasso/net/packet"
	"gasso/net/redundancy"
)

// maxPayloadBytes keeps a packet with its headers within one Ethernet frame.
const maxPayloadBytes = 1400

var errPayload = errors.New("packet payload must have 1 to 1400 bytes")

// Publisher writes the packets of one origin to every link that it is attached to.
type Publisher struct {
	streamID string
	bound    atomic.Pointer[fanOut] // replaced, never changed
	history  redundancy.History     // of the goroutine that writes
	packed   [maxPayloadBytes]byte  // the same
	written  atomic.Uint64          // when it wrote last, for sender reports

	mu     sync.Mutex // guards tracks, their standby, and the replacing of bound
	tracks map[*Link]*localTrack
}

// fanOut is where a publisher's packets go.
type fanOut struct {
	tracks []*localTrack // those that are negotiated and not on standby
	mux    *Mux          // sockets that many of them share; nil: none
}

// NewPublisher makes a publisher. streamID is the origin's participant id; receivers see it as
// Subscriber.StreamID.
func NewPublisher(streamID string) *Publisher {
	p := &Publisher{streamID: streamID, tracks: map[*Link]*localTrack{}}
	p.bound.Store(&fanOut{})
	return p
}

// StreamID is the origin's participant id.
func (p *Publisher) StreamID() string { return p.streamID }

// Write sends one packet to every link that is ready for it. It never blocks and does not
// allocate; the payload is borrowed until it returns. One goroutine at a time. The error is the
// first that a link gave; the others got the packet all the same.
func (p *Publisher) Write(pk *packet.Packet) (err error) {
	if n := len(pk.Payload); n == 0 || n > maxPayloadBytes {
		return errPayload
	}
	p.history.Add(pk)
	p.written.Store(written(pk.Timestamp(), time.Now()))
	to := p.bound.Load()
	if to.mux != nil {
		to.mux.beginFanOut()
		defer to.mux.endFanOut()
	}
	for _, t := range to.tracks {
		if e := t.writeGuarded(pk); e != nil && err == nil {
			err = e
		}
	}
	return err
}

// SetStandby stops sending to a link, or goes on. The track stays negotiated, so that either takes effect
// with the next packet. A link that it is not attached to has no track.
func (p *Publisher) SetStandby(l *Link, standby bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t := p.tracks[l]; t != nil && t.standby != standby {
		t.standby = standby
		p.setBoundLocked(t, t.bound)
	}
}

// PublisherCounters count a publisher's packets on one link.
type PublisherCounters struct {
	Sent   int64 // handed to the network
	Failed int64 // dropped: the link had no way to the other side, or could not keep up
	Resent int64 // of those sent, because the other side asked for them once more

	RedundantDepth  int   // copies of earlier packets in each packet now
	RedundantSpread int   // distance of the oldest copy in packets
	BadFeedback     int64 // reports and requests of the other side that made no sense
}

// Counters tells what went out on one link; zero for a link that it is not attached to.
func (p *Publisher) Counters(l *Link) PublisherCounters {
	p.mu.Lock()
	t := p.tracks[l]
	p.mu.Unlock()
	if t == nil {
		return PublisherCounters{}
	}
	depth, spread := t.protected()
	return PublisherCounters{
		Sent: t.sent.Load(), Failed: t.failed.Load(), Resent: t.resent.Load(),
		RedundantDepth: depth, RedundantSpread: spread, BadFeedback: t.badFeedback.Load(),
	}
}

func (p *Publisher) add(t *localTrack) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tracks[t.link] = t
}

func (p *Publisher) remove(t *localTrack) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.tracks[t.link] == t {
		delete(p.tracks, t.link)
	}
	p.setBoundLocked(t, false)
}

func (p *Publisher) setBound(t *localTrack, bound bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.setBoundLocked(t, bound)
}

func (p *Publisher) setBoundLocked(t *localTrack, bound bool) {
	t.bound = bound
	next := &fanOut{}
	for _, other := range p.bound.Load().tracks {
		if other != t {
			next.tracks = append(next.tracks, other)
		}
	}
	if bound && !t.standby {
		next.tracks = append(next.tracks, t)
	}
	if len(next.tracks) > 1 {
		next.mux = next.tracks[0].link.factory.cfg.Mux
	}
	p.bound.Store(next)
}
