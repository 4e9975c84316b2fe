package peer

import (
	"time"

	"gasso/net/packet"
)

// Subscriber reads the packets of one origin from one link.
type Subscriber struct{}

// StreamID is the participant id of the packets' origin.
func (s *Subscriber) StreamID() string { return "" }

// Run delivers packets until the track ends (nil) or breaks (an error). arrival is local time. near
// gives room time in samples at a local time; packets are skipped while it returns 0 or less.
// The packet and its payload are borrowed until deliver returns; Publication is not set, since the
// wire carries the generation alone. A panic in deliver is recovered, counted and logged.
func (s *Subscriber) Run(deliver func(p *packet.Packet, arrival time.Time), near func(time.Time) int64) error {
	return nil
}

// Counters may be called from any goroutine.
func (s *Subscriber) Counters() SubscriberCounters { return SubscriberCounters{} }

// SubscriberCounters count what Run met.
type SubscriberCounters struct {
	Delivered    int64
	Unidentified int64 // without the packet identity extension: not from Gasso
	Malformed    int64 // not Opus, or longer than 120 ms
	NoClock      int64 // came before room time was known
	Panics       int64 // in deliver
}
