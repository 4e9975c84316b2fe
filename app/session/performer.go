package session

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"gasso/audio/jitter"
	"gasso/audio/meter"
	"gasso/audio/mix"
	"gasso/audio/opus"
	"gasso/net/packet"
	"gasso/net/peer"
	"gasso/net/signaling"
)

const (
	voiceRetires = 2 * time.Second // without packets, once a newer publication is there
	silentAfter  = time.Second
)

// performer is somebody else in the room, as this machine hears them.
type performer struct {
	id     string
	strip  *mix.Strip
	meter  *meter.Meter
	voices atomic.Pointer[[]*voice] // newest first; replaced under mu, read by the network and playout goroutines

	sources  [2]atomic.Pointer[source] // by path
	incoming [2]incoming               // by path
	asked    atomic.Pointer[source]    // for missing packets; nil: nobody

	declined atomic.Bool // its direct packets, for want of downlink

	endedUnusable atomic.Int64 // packets, of tracks that are gone
	latency       latencies

	// Guarded by Session.mu.
	info        signaling.Participant
	settings    Strip
	missedSince time.Time // the server started anew and has not named them since; else zero

	mu      sync.Mutex
	link    *peer.Link // direct one, nil without
	quality qualityWindow
	retired packetCounts   // of voices that are gone
	losses  [2]lossHistory // by path

	// delivering makes one producer of the tracks that bring packets, of which a path has two for a
	// moment when a link is replaced. It comes after mu.
	delivering sync.Mutex
	strays     strays
	wanted     [mostAsked]int64
}

// voice is one publication being played.
type voice struct {
	publication signaling.Publication // as announced first
	player      *jitter.Player

	delay, clockError atomic.Int64 // samples, as announced last
}

func newPerformer(id string) *performer {
	p := &performer{id: id, strip: mix.NewStrip(), meter: meter.New(2)}
	p.voices.Store(&[]*voice{})
	p.latency.begin(time.Now())
	return p
}

// addVoice prepares for a publication's packets and takes those that came before it was announced. A
// publication that is known already is left alone but for its delay.
func (p *performer) addVoice(m *signaling.Publication, mode Mode) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	old := *p.voices.Load()
	for _, v := range old {
		if v.publication.ID == m.ID {
			v.update(m)
			return nil
		}
	}
	decoder, err := opus.NewDecoder(2)
	if err != nil {
		return fmt.Errorf("prepare decoder: %w", err)
	}
	v := &voice{publication: *m, player: jitter.NewPlayer(playerConfig(mode, m), decoder)}
	v.update(m)
	runtime.AddCleanup(v, (*opus.Decoder).Close, decoder) // the playout goroutine may hold it for one frame more
	next := append([]*voice{v}, old...)
	p.delivering.Lock()
	defer p.delivering.Unlock()
	p.voices.Store(&next)
	for _, s := range p.strays.take() {
		p.deliverLocked(s.path, &s.packet, s.arrival)
	}
	return nil
}

// deliver takes one packet from the network; it waits for nobody but another packet's copying.
func (p *performer) deliver(path int, pk *packet.Packet, arrival time.Time) {
	p.delivering.Lock()
	defer p.delivering.Unlock()
	p.incoming[path].note(pk, arrival)
	p.deliverLocked(path, pk, arrival)
}

func (p *performer) deliverLocked(path int, pk *packet.Packet, arrival time.Time) {
	for i, v := range *p.voices.Load() { // a generation that came round again finds the newest
		if v.publication.Generation == pk.Generation {
			if i == 0 {
				p.latency.arrived(pk, arrival)
			}
			v.player.Inbox(path).Push(pk.Number, pk.FirstSample, pk.Samples, pk.Payload, arrival)
			p.askLocked(v)
			return
		}
	}
	p.strays.add(path, pk, arrival)
}

// setMode changes the range of delays.
func (p *performer) setMode(m Mode) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, v := range *p.voices.Load() {
		v.player.SetTarget(playerConfig(m, &v.publication))
	}
}

// playFrame adds this performer to the bus; called by the playout goroutine alone. scratch has the
// bus's length.
func (p *performer) playFrame(bus, sum, scratch []float32, now time.Time) {
	voices := *p.voices.Load()
	switch len(voices) {
	case 0:
		clear(sum)
	default:
		voices[0].player.Frame(sum, now)
		for _, v := range voices[1:] {
			v.player.Frame(scratch, now)
			for i := range sum {
				sum[i] += scratch[i]
			}
		}
	}
	runtime.KeepAlive(voices) // with their decoders
	p.meter.Process(sum)
	p.strip.Add(bus, sum)
}

// keepHouse retires older publications that ended and looks how the connection is.
func (p *performer) keepHouse(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	old := *p.voices.Load()
	kept := make([]*voice, 0, len(old))
	for i, v := range old {
		if stats := v.player.Stats(); i == 0 || now.Sub(stats.LastArrival) < voiceRetires {
			kept = append(kept, v)
		} else {
			p.retired.add(stats)
		}
	}
	if len(kept) < len(old) {
		p.voices.Store(&kept)
	}
	p.quality.add(p.countsLocked())
	for path := range p.losses {
		p.losses[path].note(p.sources[path].Load(), now)
	}
}

func (p *performer) currentLink() *peer.Link {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.link
}

func (p *performer) setLink(l *peer.Link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.link = l
}

// close ends playing.
func (p *performer) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.voices.Store(&[]*voice{})
}
