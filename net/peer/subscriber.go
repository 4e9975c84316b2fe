package peer

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"gasso/net/packet"
)

const receiveBufferBytes = 1600

// Subscriber reads the packets of one origin from one link.
type Subscriber struct {
	track    *webrtc.TrackRemote
	receiver *webrtc.RTPReceiver
	streamID string
	log      *slog.Logger

	delivered, unidentified, malformed, noClock, panics atomic.Int64
}

func newSubscriber(track *webrtc.TrackRemote, receiver *webrtc.RTPReceiver, log *slog.Logger) *Subscriber {
	return &Subscriber{track: track, receiver: receiver, streamID: track.StreamID(), log: log}
}

// StreamID is the participant id of the packets' origin.
func (s *Subscriber) StreamID() string { return s.streamID }

// Run delivers packets until the track ends (nil) or breaks (an error). arrival is local time. near
// gives room time in samples at a local time; packets are skipped while it returns 0 or less.
// The packet and its payload are borrowed until deliver returns; Publication is not set, since the
// wire carries the generation alone. A panic in deliver is recovered, counted and logged.
func (s *Subscriber) Run(deliver func(p *packet.Packet, arrival time.Time), near func(time.Time) int64) error {
	buf := make([]byte, receiveBufferBytes)
	id := extensionID(s.receiver.GetParameters().HeaderExtensions)
	var (
		header rtp.Header
		pk     packet.Packet
	)
	for {
		n, _, err := s.track.Read(buf)
		arrival := time.Now()
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrClosedPipe):
			return nil
		case errors.Is(err, io.ErrShortBuffer):
			s.malformed.Add(1)
			continue
		case err != nil:
			return fmt.Errorf("read packets of %s: %w", s.streamID, err)
		}
		now := near(arrival)
		if now <= 0 {
			s.noClock.Add(1)
			continue
		}
		switch err := packetFromRTP(&pk, &header, buf[:n], id, now); {
		case err == nil:
			s.deliver(deliver, &pk, arrival)
		case errors.Is(err, errNoIdentity):
			s.unidentified.Add(1)
		default:
			s.malformed.Add(1)
		}
	}
}

// deliver keeps one bad packet from ending the track.
func (s *Subscriber) deliver(deliver func(*packet.Packet, time.Time), pk *packet.Packet, arrival time.Time) {
	defer func() {
		if p := recover(); p != nil && s.panics.Add(1) == 1 {
			s.log.Error("deliver packet panicked", "origin", s.streamID, "panic", p, "stack", string(debug.Stack()))
		}
	}()
	deliver(pk, arrival)
	s.delivered.Add(1)
}

// discardReports empties the receiver's queue of sender reports until the receiver stops.
func discardReports(receiver *webrtc.RTPReceiver) {
	buf := make([]byte, receiveBufferBytes)
	for {
		if _, _, err := receiver.Read(buf); err != nil {
			return
		}
	}
}

// SubscriberCounters count what Run met.
type SubscriberCounters struct {
	Delivered    int64
	Unidentified int64 // without the packet identity extension: not from Gasso
	Malformed    int64 // not Opus, or longer than 120 ms
	NoClock      int64 // came before room time was known
	Panics       int64 // in deliver
}

// Counters may be called from any goroutine.
func (s *Subscriber) Counters() SubscriberCounters {
	return SubscriberCounters{
		Delivered:    s.delivered.Load(),
		Unidentified: s.unidentified.Load(),
		Malformed:    s.malformed.Load(),
		NoClock:      s.noClock.Load(),
		Panics:       s.panics.Load(),
	}
}
