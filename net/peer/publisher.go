package peer

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"gasso/net/packet"
)

// maxPayloadBytes keeps a packet with its headers within one Ethernet frame.
const maxPayloadBytes = 1400

var errPayload = errors.New("packet payload must have 1 to 1400 bytes")

// Publisher writes the packets of one origin to every link that it is attached to.
type Publisher struct {
	streamID string
	bound    atomic.Pointer[[]*localTrack] // those that are negotiated; replaced, never changed

	mu     sync.Mutex // guards tracks, and the replacing of bound
	tracks map[*Link]*localTrack
}

// NewPublisher makes a publisher. streamID is the origin's participant id; receivers see it as
// Subscriber.StreamID.
func NewPublisher(streamID string) *Publisher {
	p := &Publisher{streamID: streamID, tracks: map[*Link]*localTrack{}}
	p.bound.Store(&[]*localTrack{})
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
	for _, t := range *p.bound.Load() {
		if e := t.write(pk); e != nil && err == nil {
			err = e
		}
	}
	return err
}

// PublisherCounters count a publisher's packets on one link.
type PublisherCounters struct {
	Sent   int64 // handed to the network
	Failed int64 // dropped: the link had no way to the other side, or could not keep up
}

// Counters tells what went out on one link; zero for a link that it is not attached to.
func (p *Publisher) Counters(l *Link) PublisherCounters {
	p.mu.Lock()
	t := p.tracks[l]
	p.mu.Unlock()
	if t == nil {
		return PublisherCounters{}
	}
	return PublisherCounters{Sent: t.sent.Load(), Failed: t.failed.Load()}
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
	var next []*localTrack
	for _, other := range *p.bound.Load() {
		if other != t {
			next = append(next, other)
		}
	}
	if bound {
		next = append(next, t)
	}
	p.bound.Store(&next)
}

// localTrack is a publisher on one link: a webrtc.TrackLocal with a header of its own, since
// interceptors may write into it, and with the link's own sequence numbers. Those rise by one for
// each packet for as long as the SSRC lives, whatever publication it is of: SRTP's key stream depends
// on them, so that a number that came again would break the encryption.
type localTrack struct {
	publisher *Publisher
	link      *Link
	sent      atomic.Int64
	failed    atomic.Int64

	// Set by Bind, then used by the one goroutine that writes.
	stream      webrtc.TrackLocalWriter
	header      rtp.Header
	extensionID uint8 // 0: the other side does not know the extension
	identity    [packet.ExtensionSize]byte
}

func newLocalTrack(p *Publisher, l *Link) *localTrack { return &localTrack{publisher: p, link: l} }

// Bind implements webrtc.TrackLocal: pion calls it once the track is negotiated.
func (t *localTrack) Bind(ctx webrtc.TrackLocalContext) (webrtc.RTPCodecParameters, error) {
	for _, codec := range ctx.CodecParameters() {
		if !strings.EqualFold(codec.MimeType, webrtc.MimeTypeOpus) {
			continue
		}
		t.stream = ctx.WriteStream()
		t.extensionID = extensionID(ctx.HeaderExtensions())
		t.header = rtp.Header{Version: 2, SSRC: uint32(ctx.SSRC()), PayloadType: uint8(codec.PayloadType)}
		if t.extensionID != 0 {
			if err := t.header.SetExtension(t.extensionID, t.identity[:]); err != nil {
				return webrtc.RTPCodecParameters{}, err
			}
		}
		t.publisher.setBound(t, true)
		return codec, nil
	}
	return webrtc.RTPCodecParameters{}, webrtc.ErrUnsupportedCodec
}

// Unbind implements webrtc.TrackLocal.
func (t *localTrack) Unbind(webrtc.TrackLocalContext) error {
	t.publisher.setBound(t, false)
	return nil
}

// ID implements webrtc.TrackLocal.
func (t *localTrack) ID() string { return "audio" }

// RID implements webrtc.TrackLocal.
func (t *localTrack) RID() string { return "" }

// StreamID implements webrtc.TrackLocal.
func (t *localTrack) StreamID() string { return t.publisher.streamID }

// Kind implements webrtc.TrackLocal.
func (t *localTrack) Kind() webrtc.RTPCodecType { return webrtc.RTPCodecTypeAudio }

func (t *localTrack) write(pk *packet.Packet) error {
	if q := t.link.send; q != nil {
		if !q.push(t, pk) {
			t.failed.Add(1)
		}
		return nil
	}
	return t.writeNow(pk)
}

func (t *localTrack) writeNow(pk *packet.Packet) error {
	t.header.Timestamp = pk.Timestamp()
	pk.PutExtension(&t.identity)
	if t.extensionID != 0 { // over again: an interceptor may have changed the list
		t.header.Extensions = t.header.Extensions[:0]
		if err := t.header.SetExtension(t.extensionID, t.identity[:]); err != nil {
			return err
		}
	}
	n, err := t.stream.WriteRTP(&t.header, pk.Payload)
	t.header.SequenceNumber++
	if n == 0 || err != nil {
		t.failed.Add(1)
		return err
	}
	t.sent.Add(1)
	return nil
}

func extensionID(negotiated []webrtc.RTPHeaderExtensionParameter) uint8 {
	for _, e := range negotiated {
		if e.URI == packet.ExtensionURI && e.ID > 0 && e.ID < 15 {
			return uint8(e.ID)
		}
	}
	return 0
}
