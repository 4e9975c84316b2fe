// Package sfu forwards each participant's packets to the others that want them, as they are.
package sfu

import (
	"fmt"
	"sync"
	"sync/atomic"

	"gasso/net/packet"
	"gasso/net/peer"
)

// Forwarder holds the tracks of one room. Its methods may be called from any goroutine.
type Forwarder struct {
	received atomic.Int64

	mu     sync.Mutex // guards tracks and what they keep of subscriptions
	tracks map[string]*Track
	past   Counters // of subscriptions that ended
}

// New makes a forwarder without tracks.
func New() *Forwarder { return &Forwarder{tracks: map[string]*Track{}} }

// Track is one origin's packets.
type Track struct {
	forwarder *Forwarder
	publisher *peer.Publisher
	links     map[string]*peer.Link // by subscriber id; guarded by Forwarder.mu
	standby   map[string]bool       // subscribers that are sent nothing for now; the same
}

// Publish returns the track of an origin and makes it if it is new.
func (f *Forwarder) Publish(originID string) *Track {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.trackLocked(originID)
}

func (f *Forwarder) trackLocked(originID string) *Track {
	t := f.tracks[originID]
	if t == nil {
		t = &Track{forwarder: f, publisher: peer.NewPublisher(originID), links: map[string]*peer.Link{}, standby: map[string]bool{}}
		f.tracks[originID] = t
	}
	return t
}

// Forward sends a packet to all subscribers. It never blocks; the payload is borrowed until it
// returns. One goroutine at a time. What a link refuses is counted there.
func (t *Track) Forward(p *packet.Packet) {
	t.forwarder.received.Add(1)
	_ = t.publisher.Write(p) // counted per link
}

// Subscribe forwards an origin's packets to a participant's link from now on, whether or not the
// origin publishes yet. Subscribing again with another link moves the subscription. Nobody is
// forwarded to themselves.
func (f *Forwarder) Subscribe(originID string, l *peer.Link, subscriberID string) error {
	if originID == subscriberID {
		return fmt.Errorf("subscribe %s to itself: a participant does not hear itself", originID)
	}
	f.mu.Lock()
	t := f.trackLocked(originID)
	old := t.links[subscriberID]
	if old == l {
		f.mu.Unlock()
		return nil
	}
	f.endLocked(t, subscriberID)
	t.links[subscriberID] = l
	f.mu.Unlock()

	if old != nil {
		t.publisher.DetachFrom(old)
	}
	if err := t.publisher.AttachTo(l); err != nil {
		f.mu.Lock()
		if t.links[subscriberID] == l {
			delete(t.links, subscriberID)
		}
		f.mu.Unlock()
		return fmt.Errorf("forward %s to %s: %w", originID, subscriberID, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	t.publisher.SetStandby(l, t.standby[subscriberID])
	return nil
}

// SetStandby keeps a subscription negotiated and sends nothing over it, or sends again, from the next
// packet on. It holds for subscriptions to come, too, until the origin or the subscriber is removed.
func (f *Forwarder) SetStandby(originID, subscriberID string, standby bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := f.trackLocked(originID)
	if standby {
		t.standby[subscriberID] = true
	} else {
		delete(t.standby, subscriberID)
	}
	if l := t.links[subscriberID]; l != nil {
		t.publisher.SetStandby(l, standby)
	}
}

// EndStandby has everything sent again that a subscriber is subscribed to.
func (f *Forwarder) EndStandby(subscriberID string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, t := range f.tracks {
		if !t.standby[subscriberID] {
			continue
		}
		delete(t.standby, subscriberID)
		if l := t.links[subscriberID]; l != nil {
			t.publisher.SetStandby(l, false)
		}
	}
}

// Unsubscribe ends a subscription; one that is not there is no error.
func (f *Forwarder) Unsubscribe(originID, subscriberID string) {
	f.mu.Lock()
	t := f.tracks[originID]
	if t == nil {
		f.mu.Unlock()
		return
	}
	l := f.endLocked(t, subscriberID)
	f.mu.Unlock()
	if l != nil {
		t.publisher.DetachFrom(l)
	}
}

// endLocked forgets a subscription, keeps its counts, and returns its link to detach from.
func (f *Forwarder) endLocked(t *Track, subscriberID string) *peer.Link {
	l := t.links[subscriberID]
	if l == nil {
		return nil
	}
	delete(t.links, subscriberID)
	c := t.publisher.Counters(l)
	f.past.Forwarded += c.Sent
	f.past.Failed += c.Failed
	return l
}

// Remove ends a participant's track and all its subscriptions.
func (f *Forwarder) Remove(participantID string) {
	type ended struct {
		t *Track
		l *peer.Link
	}
	var all []ended
	f.mu.Lock()
	if own := f.tracks[participantID]; own != nil {
		delete(f.tracks, participantID)
		for subscriberID := range own.links {
			all = append(all, ended{own, f.endLocked(own, subscriberID)})
		}
	}
	for _, t := range f.tracks {
		delete(t.standby, participantID)
		if l := f.endLocked(t, participantID); l != nil {
			all = append(all, ended{t, l})
		}
	}
	f.mu.Unlock()
	for _, e := range all {
		e.t.publisher.DetachFrom(e.l)
	}
}

// Counters count packets since New.
type Counters struct {
	Received  int64 // from origins
	Forwarded int64 // to performers: one for each receiver
	Failed    int64 // not sent because a link refused them
}

// Counters may be polled.
func (f *Forwarder) Counters() Counters {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.past
	c.Received = f.received.Load()
	for _, t := range f.tracks {
		for _, l := range t.links {
			sent := t.publisher.Counters(l)
			c.Forwarded += sent.Sent
			c.Failed += sent.Failed
		}
	}
	return c
}
