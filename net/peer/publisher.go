package peer

import "gasso/net/packet"

// Publisher writes the packets of one origin to every link that it is attached to.
type Publisher struct{}

// NewPublisher makes a publisher. streamID is the origin's participant id; receivers see it as
// Subscriber.StreamID.
func NewPublisher(streamID string) *Publisher { return &Publisher{} }

// StreamID is the origin's participant id.
func (p *Publisher) StreamID() string { return "" }

// AttachTo adds the publisher to a link, which negotiates if it already had. An answerer's link
// takes one publisher. Attaching twice does nothing.
func (p *Publisher) AttachTo(l *Link) error { return nil }

// DetachFrom removes the publisher from a link, which negotiates.
func (p *Publisher) DetachFrom(l *Link) {}

// Write sends one packet to every link that is ready for it. It never blocks; the payload is
// borrowed until it returns. One goroutine at a time. The error is the first that a link gave;
// the others got the packet all the same.
func (p *Publisher) Write(pk *packet.Packet) error { return nil }

// Counters tells what went out on one link; zero for a link that it is not attached to.
func (p *Publisher) Counters(l *Link) PublisherCounters { return PublisherCounters{} }

// PublisherCounters count a publisher's packets on one link.
type PublisherCounters struct{ Sent, Failed int64 }
