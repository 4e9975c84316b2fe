package peer

import (
	"encoding/binary"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"

	"gasso/net/congestion"
	"gasso/net/redundancy"
	"gasso/net/signaling"
)

// Transport-wide numbers and feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01), without
// interceptors: a performer numbers what it sends, whoever receives tells when it came. The server does
// not number what it forwards: a receiver finds out itself what its downlink carries.

// afterHeaders is what a packet costs beyond RTP header and payload: IPv4, UDP and SRTP's tag.
const afterHeaders = 20 + 8 + 16

var errReport = errors.New("malformed RTCP packet")

// feedbackSSRC is the sender of transport-wide feedback, which has no track of its own.
const feedbackSSRC = 1

// What is said about packets costs uplink, too: so often where that is short.
const (
	sparingFeedback = 300 * time.Millisecond
	sparingReports  = 500 * time.Millisecond
)

// SetSparing has the link say less often what came.
func (l *Link) SetSparing(sparing bool) { l.sparing.own.Store(sparing) }

// sparing tells why a link says less often what came.
type sparing struct {
	own   atomic.Bool               // this side's line is short
	other atomic.Pointer[time.Time] // until then the other side's is: it does without our packets
}

func (s *Subscriber) spares() bool {
	if s.sparing == nil {
		return false
	}
	until := s.sparing.other.Load()
	return s.sparing.own.Load() || until != nil && time.Now().Before(*until)
}

// longestDecline bounds for how long a receiver can do without a track at one word.
const longestDecline = 10 * time.Second

// transportFeedback is what a codec must name so that browsers number its packets.
func transportFeedback() []webrtc.RTCPFeedback {
	return []webrtc.RTCPFeedback{{Type: webrtc.TypeRTCPFBTransportCC}}
}

// wideSender numbers the packets of one track; the zero value does not.
type wideSender struct {
	link   *congestion.Link // nil: nothing is numbered
	id     uint8            // of the header extension; 0: the other side does not know it
	number [2]byte
}

// bind follows what was negotiated.
func (w *wideSender) bind(l *Link, negotiated []webrtc.RTPHeaderExtensionParameter) {
	if w.link, w.id = nil, wideExtensionID(negotiated); l.cfg.LocalID == signaling.ServerID || w.id == 0 {
		return
	}
	w.link = l.wide.get()
}

// stamp numbers the packet that the header is about to be sent with.
func (w *wideSender) stamp(t *localTrack, payloadBytes int) error {
	if w.link == nil {
		return nil
	}
	// The number fits into the bytes that were put there; so the length is known before the number.
	if err := t.header.SetExtension(w.id, w.number[:]); err != nil {
		return err
	}
	number := w.link.Sent(t.header.MarshalSize()+payloadBytes+afterHeaders, t.now())
	binary.BigEndian.PutUint16(w.number[:], number)
	return nil
}

func wideExtensionID(negotiated []webrtc.RTPHeaderExtensionParameter) uint8 {
	for _, e := range negotiated {
		if strings.EqualFold(e.URI, congestion.ExtensionURI) && e.ID > 0 && e.ID < 15 {
			return uint8(e.ID)
		}
	}
	return 0
}

// wideLink is made when the first track is bound that is numbered.
type wideLink struct {
	made atomic.Pointer[congestion.Link]
}

func (w *wideLink) get() *congestion.Link {
	if w.made.Load() == nil {
		w.made.CompareAndSwap(nil, congestion.NewLink(time.Now()))
	}
	return w.made.Load()
}

// Congestion is what the other side says about the packets that this side sends; nil while nothing
// numbered was sent.
func (l *Link) Congestion() *congestion.Link { return l.wide.made.Load() }

// takeWide splits transport-wide feedback off a compound packet, and returns the rest.
func (l *Link) takeWide(compound []byte, now time.Time) (rest []byte, err error) {
	link := l.wide.made.Load()
	rest = compound[:0]
	for left := compound; len(left) > 0; {
		if len(left) < 4 {
			return nil, errReport
		}
		length := 4 * (int(binary.BigEndian.Uint16(left[2:])) + 1)
		if length > len(left) {
			return nil, errReport
		}
		one := left[:length]
		left = left[length:]
		if !congestion.IsFeedback(one) {
			rest = append(rest, one...)
		} else if link != nil {
			if e := link.Take(one, now); e != nil {
				err = e
			}
		}
	}
	return rest, err
}

// wideReceiver tells when a track's packets came.
type wideReceiver struct {
	id       uint8 // 0: none was negotiated
	recorder *congestion.Recorder
}

// take notes the packet whose header was just read, and tells the other side when that is due.
func (w *wideReceiver) take(r *reception, arrival time.Time) {
	if w.id == 0 {
		return
	}
	number := r.header.GetExtension(w.id)
	if len(number) != 2 {
		return
	}
	if w.recorder == nil {
		w.recorder = &congestion.Recorder{}
	}
	w.recorder.Take(binary.BigEndian.Uint16(number), arrival)
	every := congestion.FeedbackEvery
	if r.spares() {
		every = sparingFeedback
	}
	if w.recorder.Due(arrival, every) {
		raw := rtcp.RawPacket(w.recorder.Append(nil, feedbackSSRC, uint32(r.track.SSRC()), arrival))
		r.queue(&raw)
	}
}

// Rest has a link carry none of the publisher's packets, or carry them again.
func (p *Publisher) Rest(l *Link, rest bool) {
	if t := p.on(l); t != nil {
		t.resting.Store(rest)
	}
}

// LimitCopies bounds the redundant copies in each packet on a link.
func (p *Publisher) LimitCopies(l *Link, copies int) {
	if t := p.on(l); t != nil {
		t.mostCopies.Store(int32(max(0, min(copies, 3))))
	}
}

func (p *Publisher) on(l *Link) *localTrack {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tracks[l]
}

// idle tells whether nothing is to be sent: this side rests, or the other side does without.
func (t *localTrack) idle() bool {
	if t.resting.Load() {
		return true
	}
	until := t.declined.Load()
	return until != 0 && int64(t.now().Sub(t.made)) < until
}

// decline follows the wish of a receiver to do without the track for some milliseconds.
func (t *localTrack) decline(data []byte, now time.Time) bool {
	if len(data) != 4 {
		return false
	}
	wish := time.Duration(binary.BigEndian.Uint32(data)) * time.Millisecond
	if wish == 0 {
		t.declined.Store(0)
		t.link.sparing.other.Store(nil)
		return true
	}
	until := now.Add(min(wish, longestDecline))
	t.declined.Store(int64(until.Sub(t.made)))
	t.link.sparing.other.Store(&until)
	return true
}

// Decline asks the sender to send nothing on this track for so long, at most 10 s; 0 asks for packets again.
// It never blocks.
func (s *Subscriber) Decline(wish time.Duration) {
	data := binary.BigEndian.AppendUint32(nil, uint32(max(0, min(wish, longestDecline)).Milliseconds()))
	s.tell(redundancy.AppDecline, data)
}
