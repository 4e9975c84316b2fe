package peer

import (
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"

	"gasso/net/packet"
)

// Subscriber reads the packets of one origin from one link.
type Subscriber struct {
	track    *webrtc.TrackRemote
	receiver *webrtc.RTPReceiver
	inbox    *inbox // of the link
	streamID string
	log      *slog.Logger

	delivered, repaired, unidentified, malformed, noClock, panics atomic.Int64

	expected, lost atomic.Int64 // on this link, before any repair

	residual atomic.Pointer[func() int64]
	asking   atomic.Pointer[func() bool]
	heard    atomic.Pointer[heardReport]
	sparing  *sparing         // of the link; nil without one
	feedback chan rtcp.Packet // what finds it full is dropped: the next says it again
	ended    chan struct{}
}

func newSubscriber(track *webrtc.TrackRemote, receiver *webrtc.RTPReceiver, in *inbox, log *slog.Logger) *Subscriber {
	return &Subscriber{
		track: track, receiver: receiver, inbox: in, streamID: track.StreamID(), log: log,
		feedback: make(chan rtcp.Packet, feedbackQueue), ended: make(chan struct{}),
	}
}

// StreamID is the participant id of the packets' origin.
func (s *Subscriber) StreamID() string { return s.streamID }

var errTaken = errors.New("the packets of this track are taken already")

// Run delivers packets until the track ends, each once, whether it came by itself, as a redundant copy or
// for a second time, on the goroutine that decrypts them. A track is run once. arrival is local time. near
// gives room time in samples at a local time; packets are skipped while it returns 0 or less.
// The packet and its payload are borrowed until deliver returns; Publication is not set, since the
// wire carries the generation alone. A panic in deliver is recovered, counted and logged.
func (s *Subscriber) Run(deliver func(p *packet.Packet, arrival time.Time), near func(time.Time) int64) error {
	parameters := s.receiver.GetParameters()
	r := reception{Subscriber: s, deliver: deliver, extensionID: extensionID(parameters.HeaderExtensions)}
	r.wide.id = wideExtensionID(parameters.HeaderExtensions)
	for _, codec := range parameters.Codecs {
		r.types[codec.PayloadType&0x7f] = true
		if strings.EqualFold(codec.MimeType, mimeTypeRED) {
			r.redType = uint8(codec.PayloadType)
		}
	}
	stream := s.inbox.stream(uint32(s.track.SSRC()))
	if stream == nil {
		return nil // it has ended
	}
	return stream.take(func(b []byte) {
		defer s.recoverDelivery()
		arrival := time.Now()
		r.take(b, arrival, near(arrival))
	})
}

// SubscriberCounters count what Run met.
type SubscriberCounters struct {
	Delivered    int64
	Repaired     int64 // packets that came as copies or for a second time alone
	Unidentified int64 // without the packet identity extension: not from Gasso
	Malformed    int64 // of no negotiated type, not Opus, longer than 120 ms, or RED that cannot be taken apart
	NoClock      int64 // came before room time was known
	Panics       int64 // in deliver
	Expected     int64 // packets of which it is known by now whether they came on this link
	Lost         int64 // of these, those that did not come by themselves
}

// Counters may be called from any goroutine.
func (s *Subscriber) Counters() SubscriberCounters {
	return SubscriberCounters{
		Delivered:    s.delivered.Load(),
		Repaired:     s.repaired.Load(),
		Unidentified: s.unidentified.Load(),
		Malformed:    s.malformed.Load(),
		NoClock:      s.noClock.Load(),
		Panics:       s.panics.Load(),
		Expected:     s.expected.Load(),
		Lost:         s.lost.Load(),
	}
}
