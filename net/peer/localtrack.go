package peer

import (
	"strings"
	"sync/atomic"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"gasso/net/packet"
	"gasso/net/redundancy"
	"gasso/net/signaling"
)

// Bounds of sending again: one packet for three that are sent, 16 at once.
const (
	requestQueue = 8
	againPrice   = 3
	againSaved   = 16 * againPrice
	requestLife  = 200 * time.Millisecond // what is asked for is too late by then
	copiesOfApps = 3
	copiesOfSFU  = 2 // at most in a packet that the server forwards: what each receiver says costs its line
)

// request is what the other side asked for, and when.
type request struct {
	redundancy.Request
	at time.Time
}

// localTrack is a publisher on one link: a webrtc.TrackLocal with a header of its own, since
// interceptors may write into it, and with the link's own sequence numbers. Those rise by one for
// each packet for as long as the SSRC lives, whatever publication it is of: SRTP's key stream depends
// on them, so that a number that came again would break the encryption.
type localTrack struct {
	publisher *Publisher
	link      *Link

	bound, standby bool // guarded by publisher.mu

	sent, failed, resent, badFeedback atomic.Int64
	octets                            atomic.Int64 // of payloads sent

	// Set by Bind, then used by the one goroutine that writes.
	stream      webrtc.TrackLocalWriter
	header      rtp.Header
	extensionID uint8 // 0: the other side does not know the extension
	opusType    uint8
	redType     uint8 // 0: the other side does not know RED
	identity    [packet.ExtensionSize]byte
	allowance   int // for sending again
	copies      redundancy.Copies
	wide        wideSender

	// Of the goroutine that reads the other side's reports.
	controller *redundancy.Controller
	totals     redundancy.Totals

	protection atomic.Int32 // depth and spread
	mostCopies atomic.Int32 // what the uplink leaves room for
	resting    atomic.Bool  // nothing is sent
	declined   atomic.Int64 // nor until then, in nanoseconds since made; 0: the receiver wants packets
	requests   chan request // what finds it full is dropped: it will be asked for again
	now        func() time.Time
	made       time.Time // with a monotonic reading: a wall clock that is set must not silence a track
}

func newLocalTrack(p *Publisher, l *Link) *localTrack {
	t := &localTrack{
		publisher: p, link: l,
		requests: make(chan request, requestQueue), now: time.Now, made: time.Now(),
	}
	t.mostCopies.Store(copiesOfApps)
	if l.cfg.LocalID == signaling.ServerID {
		t.mostCopies.Store(copiesOfSFU)
	}
	return t
}

// Bind implements webrtc.TrackLocal: pion calls it once the track is negotiated.
func (t *localTrack) Bind(ctx webrtc.TrackLocalContext) (webrtc.RTPCodecParameters, error) {
	var opus, red webrtc.RTPCodecParameters
	for _, codec := range ctx.CodecParameters() {
		switch {
		case strings.EqualFold(codec.MimeType, webrtc.MimeTypeOpus) && opus.PayloadType == 0:
			opus = codec
		case strings.EqualFold(codec.MimeType, mimeTypeRED) && red.PayloadType == 0:
			red = codec
		}
	}
	if opus.PayloadType == 0 {
		return webrtc.RTPCodecParameters{}, webrtc.ErrUnsupportedCodec
	}
	t.stream = ctx.WriteStream()
	t.extensionID = extensionID(ctx.HeaderExtensions())
	t.wide.bind(t.link, ctx.HeaderExtensions())
	t.opusType, t.redType = uint8(opus.PayloadType), uint8(red.PayloadType)
	t.header = rtp.Header{Version: 2, SSRC: uint32(ctx.SSRC())}
	if t.extensionID != 0 {
		if err := t.header.SetExtension(t.extensionID, t.identity[:]); err != nil {
			return webrtc.RTPCodecParameters{}, err
		}
	}
	t.link.followReports(t, t.header.SSRC)
	t.publisher.setBound(t, true)
	return opus, nil
}

// Unbind implements webrtc.TrackLocal.
func (t *localTrack) Unbind(webrtc.TrackLocalContext) error {
	t.publisher.setBound(t, false)
	t.link.inbox.onReports(t.header.SSRC, nil)
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

// writeGuarded is write, whose panic harms this link alone.
func (t *localTrack) writeGuarded(pk *packet.Packet) error {
	defer func() {
		if r := recover(); r != nil {
			t.failed.Add(1)
			t.link.notePanic(r)
		}
	}()
	return t.write(pk)
}

// write sends a packet with the copies that the link needs, then what was asked for once more.
func (t *localTrack) write(pk *packet.Packet) error {
	if t.idle() {
		return nil
	}
	out, payloadType := *pk, t.opusType
	if depth, spread := t.protected(); depth > 0 && t.redType != 0 {
		if packed := t.publisher.history.Pack(t.publisher.packed[:0], &t.copies, pk, t.opusType, depth, spread); len(packed) > 0 {
			out.Payload, payloadType = packed, t.redType
		}
	}
	err := t.send(&out, payloadType, false)
	t.allowance = min(t.allowance+1, againSaved)
	for t.allowance >= againPrice {
		select {
		case r := <-t.requests:
			if t.now().Sub(r.at) > requestLife {
				continue
			}
			r.Visit(func(number int64) { t.sendAgain(r.Generation, number) })
		default:
			return err
		}
	}
	return err
}

// sendAgain repeats a packet if it is still there and not too much was asked for lately. What is not there
// costs the same, since looking for it takes the publisher's time.
func (t *localTrack) sendAgain(generation uint8, number int64) {
	if t.allowance < againPrice {
		return
	}
	t.allowance -= againPrice
	pk := t.publisher.history.Find(generation, number)
	if pk == nil {
		return
	}
	t.resent.Add(1)
	_ = t.send(pk, t.opusType, true) // counted
}

// lines is how many lines the packets pass one after the other: what goes over the server passes two.
func (t *localTrack) lines() int {
	if t.link.cfg.LocalID == signaling.ServerID || t.link.cfg.RemoteID == signaling.ServerID {
		return 2
	}
	return 1
}

// protected is what the controller decided last.
func (t *localTrack) protected() (depth, spread int) {
	v := t.protection.Load()
	return min(int(v>>8), int(t.mostCopies.Load())), int(v & 0xff)
}

// takeFeedback follows a report of the track's receiver, or keeps a request for the next write.
func (t *localTrack) takeFeedback(app *rtcp.ApplicationDefined, now time.Time) {
	if app.Name != redundancy.AppName {
		return
	}
	switch app.SubType {
	case redundancy.AppTotals:
		totals, err := redundancy.ParseTotals(app.Data)
		if err != nil {
			t.badFeedback.Add(1)
			return
		}
		report, follows := totals.Since(&t.totals)
		t.totals = totals
		if !follows {
			t.badFeedback.Add(1)
			return
		}
		if t.controller == nil { // not every receiver reports, and it is not small
			t.controller = redundancy.NewController(t.lines())
		}
		t.controller.Limit(int(t.mostCopies.Load()))
		t.controller.Update(report, now)
		t.protection.Store(int32(t.controller.Depth()<<8 | t.controller.Spread())) // both are small
	case redundancy.AppRequests:
		err := redundancy.ParseRequests(app.Data, func(r redundancy.Request) {
			select {
			case t.requests <- request{r, now}:
			default:
			}
		})
		if err != nil {
			t.badFeedback.Add(1)
		}
	case redundancy.AppDecline:
		if t.link.cfg.LocalID == signaling.ServerID || !t.decline(app.Data, now) { // the server is told by signaling
			t.badFeedback.Add(1)
		}
	default: // of a version to come
		t.badFeedback.Add(1)
	}
}

func (t *localTrack) send(pk *packet.Packet, payloadType uint8, again bool) error {
	if q := t.link.send; q != nil {
		if !q.push(t, pk, payloadType, again) {
			t.failed.Add(1)
		}
		return nil
	}
	return t.writeNow(pk, payloadType, again)
}

// writeNow hands a packet to the network. The marker bit says that it was sent before.
func (t *localTrack) writeNow(pk *packet.Packet, payloadType uint8, again bool) error {
	t.header.PayloadType, t.header.Marker = payloadType, again
	t.header.Timestamp = pk.Timestamp()
	pk.PutExtension(&t.identity)
	if t.extensionID != 0 { // over again: an interceptor may have changed the list
		t.header.Extensions = t.header.Extensions[:0]
		if err := t.header.SetExtension(t.extensionID, t.identity[:]); err != nil {
			return err
		}
	}
	if err := t.wide.stamp(t, len(pk.Payload)); err != nil {
		return err
	}
	n, err := t.stream.WriteRTP(&t.header, pk.Payload)
	t.header.SequenceNumber++
	if n == 0 || err != nil {
		t.failed.Add(1)
		return err
	}
	t.sent.Add(1)
	t.octets.Add(int64(len(pk.Payload)))
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
