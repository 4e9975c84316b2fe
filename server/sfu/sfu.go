// Package sfu forwards each participant's packets to the others that want them, as they are.
package sfu

import (
	"gasso/net/packet"
	"gasso/net/peer"
)

// Forwarder holds the tracks of one room. Its methods may be called from any goroutine.
type Forwarder struct{}

// New makes a forwarder without tracks.
func New() *Forwarder { return &Forwarder{} }

// Publish returns the track of an origin and makes it if it is new.
func (f *Forwarder) Publish(originID string) *Track { return &Track{} }

// Subscribe forwards an origin's packets to a participant's link from now on, whether or not the
// origin publishes yet. Subscribing again with another link moves the subscription.
func (f *Forwarder) Subscribe(originID string, l *peer.Link, subscriberID string) error { return nil }

// Unsubscribe ends a subscription; one that is not there is no error.
func (f *Forwarder) Unsubscribe(originID, subscriberID string) {}

// Remove ends a participant's track and all its subscriptions.
func (f *Forwarder) Remove(participantID string) {}

// Counters may be polled.
func (f *Forwarder) Counters() Counters { return Counters{} }

// Counters count packets since New.
type Counters struct {
	Received  int64 // from origins
	Forwarded int64 // to performers: one for each receiver
	Failed    int64 // not sent because a link refused them
}

// Track is one origin's packets.
type Track struct{}

// Forward sends a packet to all subscribers. It never blocks; the payload is borrowed until it
// returns. One goroutine at a time.
func (t *Track) Forward(p *packet.Packet) {}
