package room

import (
	"sync"
	"sync/atomic"

	"gasso/audio/opus"
	"gasso/net/packet"
	"gasso/net/peer"
	"gasso/net/signaling"
)

// MixID is the participant id under which the server publishes a participant's mix.
const MixID = "mix"

const (
	mixFrameSamples   = 240 // 5 ms, what the mixer gives
	mixBitrateBPS     = 160_000
	mixQueue          = 20   // frames
	smallFrameSamples = 1920 // 40 ms: of a packet for somebody short of downlink, which headers would fill
	smallBitrateBPS   = 32_000
)

// mixFeed encodes what one participant is to hear, everything but itself, and publishes it on its
// link.
type mixFeed struct {
	publisher   *peer.Publisher
	publication signaling.Publication
	encoder     *opus.Encoder
	cancel      func() // at the mixer
	frames      chan mixFrame
	dropped     atomic.Int64
	stop        chan struct{}
	stopped     sync.WaitGroup
}

type mixFrame struct {
	pcm         [2 * mixFrameSamples]float32
	firstSample int64
}

// openFeed starts the mix of a participant that wants one; a participant that doesn't loses its own.
func (r *Room) openFeed(p *participant, link *mediaLink) {
	link.SetSparing(p.short)
	if p.receive != signaling.ReceiveMix && !p.short {
		if feed := p.feed; feed != nil {
			p.feed = nil
			feed.publisher.DetachFrom(link.Link)
			r.workers.Go(feed.close)
		}
		return
	}
	if p.feed == nil {
		samples, bitrate := mixFrameSamples, mixBitrateBPS
		if p.short {
			samples, bitrate = smallFrameSamples, smallBitrateBPS
		}
		feed, err := newMixFeed(samples, bitrate)
		if err != nil {
			r.log.Error("mix not encoded", "participant", p.id, "error", err)
			return
		}
		if err := feed.publisher.AttachTo(link.Link); err != nil {
			r.log.Error("mix not published", "participant", p.id, "error", err)
			feed.encoder.Close()
			return
		}
		if p.short {
			feed.publisher.LimitCopies(link.Link, 0) // they would fill what is short
		}
		p.feed = feed
		feed.stopped.Go(func() { r.guarded(feed.run) })
		feed.cancel = r.mixer.SubscribeMix(p.id, feed.take)
	}
	publication := p.feed.publication
	p.send(&publication)
}

func newMixFeed(samples, bitrateBPS int) (*mixFeed, error) {
	encoder, err := opus.NewEncoder(opus.EncoderConfig{
		Channels: 2, BitrateBPS: bitrateBPS, FrameSamples: samples, Complexity: 5, Application: opus.LowDelay,
	})
	if err != nil {
		return nil, err
	}
	f := &mixFeed{
		publisher: peer.NewPublisher(MixID), encoder: encoder,
		frames: make(chan mixFrame, mixQueue), stop: make(chan struct{}),
	}
	f.publication = signaling.Publication{
		ParticipantID: MixID, ID: packet.NewPublicationID(), Channels: 2, FrameSamples: samples,
		LookAheadSamples: encoder.LookAheadSamples(), Music: true,
	}
	f.publication.Generation = f.publication.ID[0]
	return f, nil
}

// take is the mixer's sink. It never blocks; a frame that finds the queue full is dropped and counted.
func (f *mixFeed) take(pcm []float32, firstSample int64) {
	var frame mixFrame
	if len(pcm) != len(frame.pcm) {
		f.dropped.Add(1)
		return
	}
	copy(frame.pcm[:], pcm)
	frame.firstSample = firstSample
	select {
	case f.frames <- frame:
	default:
		f.dropped.Add(1)
	}
}

// setReceive gives a participant that is short of downlink a small mix, or takes it back. The tracks it has
// put on standby, without a new offer.
func (r *Room) setReceive(p *participant, m *signaling.ReceiveSet) error {
	link := p.currentLink()
	if link == nil || p.receive == signaling.ReceiveMix {
		return nil // gets nothing, or a mix already
	}
	if !p.wishes.AllowN(r.cfg.Now(), 1) {
		return tooFast("Too many wishes for a mix.", 1)
	}
	p.short = m.Receive == signaling.ReceiveMix
	r.openFeed(p, link)
	return nil
}

// run encodes and publishes packet after packet.
func (f *mixFeed) run() {
	var number, next int64
	samples := f.publication.FrameSamples
	pcm, filled := make([]float32, 2*samples), 0 // of the packet that is being gathered
	payload := make([]byte, 1275)
	lookAhead := int64(f.encoder.LookAheadSamples())
	for {
		var frame mixFrame
		select {
		case <-f.stop:
			return
		case frame = <-f.frames:
		}
		if missing := (frame.firstSample - next) / mixFrameSamples; next != 0 && missing > 0 {
			number += (missing*mixFrameSamples + int64(filled)) / int64(samples) // dropped, not silent: the receiver conceals what has a number
			filled = 0
		}
		next = frame.firstSample + mixFrameSamples
		copy(pcm[2*filled:], frame.pcm[:])
		if filled += mixFrameSamples; filled < samples {
			continue
		}
		filled = 0
		n, err := f.encoder.Encode(pcm, payload)
		if err != nil {
			f.dropped.Add(1)
			continue
		}
		// A link that isn't ready counts what it refuses; the others don't exist.
		_ = f.publisher.Write(&packet.Packet{
			Publication: f.publication.ID, Generation: f.publication.Generation, Number: number,
			FirstSample: next - int64(samples) - lookAhead, Samples: samples, Payload: payload[:n],
		})
		number++
	}
}

// close ends the feed and waits for its goroutine.
func (f *mixFeed) close() {
	f.cancel()
	close(f.stop)
	f.stopped.Wait()
	f.encoder.Close()
}
