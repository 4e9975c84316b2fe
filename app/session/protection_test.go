package session

import (
	"math"
	"slices"
	"testing"
	"time"

	"gasso/audio/device"
	"gasso/audio/jitter"
	"gasso/net/packet"
	"gasso/net/peer"
)

// asked is a track that is asked for packets.
type asked struct {
	generation uint8
	numbers    []int64
}

func (a *asked) Request(generation uint8, numbers []int64) {
	a.generation = generation
	a.numbers = append(a.numbers, numbers...)
}

func (a *asked) Decline(time.Duration) {}

func (a *asked) Counters() peer.SubscriberCounters {
	return peer.SubscriberCounters{Delivered: 200, Repaired: 3, Malformed: 5, Unidentified: 7, NoClock: 11, Panics: 100}
}

func TestMissingPacketsAreAskedFor(t *testing.T) {
	for _, c := range []struct {
		name string
		rtt  time.Duration
		asks bool
	}{{"short round trip", 10 * time.Millisecond, true}, {"unknown", 0, false}, {"longer than the delay", 900 * time.Millisecond, false}} {
		p := newPerformer("a")
		l := newListener(p)
		k := newTalker(t, 9, 400, 1_000_000)
		if err := p.addVoice(&k.publication, ModeSafe); err != nil {
			t.Fatal(err)
		}
		(*p.voices.Load())[0].player.SetTarget(jitter.Config{Initial: 60 * time.Millisecond, Min: 60 * time.Millisecond})
		track := &asked{}
		own := &source{track}
		var gone *packet.Packet
		l.hear(400, func() {
			pk := k.next()
			p.noteSource(jitter.PathForwarded, own)
			p.aimRequests(c.rtt)
			if pk.Number == 200 {
				kept := *pk
				kept.Payload = slices.Clone(pk.Payload)
				gone = &kept
				return
			}
			p.deliver(jitter.PathForwarded, pk, l.now)
			if len(track.numbers) > 0 && gone != nil {
				p.deliver(jitter.PathForwarded, gone, l.now)
				gone = nil
			}
		})
		if got := len(track.numbers) > 0; got != c.asks || c.asks && (track.numbers[0] != 200 || track.generation != 9) {
			t.Errorf("%s: asked for %v of generation %d", c.name, track.numbers, track.generation)
		}
		lost := p.missingPackets()
		if c.asks && lost != 0 || !c.asks && lost != 1 {
			t.Errorf("%s: %d packets are missing", c.name, lost)
		}
		s := &Session{}
		var link Link
		s.describeProtectionLocked(p, &link)
		if link.RepairedRatio != 3.0/200 {
			t.Errorf("%s: repaired ratio %v", c.name, link.RepairedRatio)
		}
		p.close()
	}
}

func TestDeliveringAllocatesNothing(t *testing.T) {
	p := newPerformer("a")
	k := newTalker(t, 9, 400, 1_000_000)
	if err := p.addVoice(&k.publication, ModeLive); err != nil {
		t.Fatal(err)
	}
	own := &source{&asked{}}
	pk, now := k.next(), time.Unix(1_000_000, 0)
	if n := testing.AllocsPerRun(200, func() {
		pk.Number++
		p.noteSource(jitter.PathForwarded, own)
		p.deliver(jitter.PathForwarded, pk, now)
	}); n != 0 {
		t.Errorf("%v allocations for each packet", n)
	}
	p.close()
}

func TestBadInputIsCounted(t *testing.T) {
	p := newPerformer("a")
	l := newListener(p)
	k := newTalker(t, 9, 400, 1_000_000)
	if err := p.addVoice(&k.publication, ModeLive); err != nil {
		t.Fatal(err)
	}
	defer p.close()
	unusable := func() int64 {
		var out Performer
		p.describe(&out, l.now)
		return out.Link.PacketsUnusable
	}
	l.hear(100, func() {
		pk := *k.next()
		if pk.Number == 40 || pk.Number == 41 {
			pk.FirstSample = math.MinInt64
		}
		p.deliver(jitter.PathDirect, &pk, l.now)
	})
	impossible := unusable()
	if impossible == 0 {
		t.Error("packets at impossible positions are not counted")
	}
	const onTrack = 5 + 7 + 11
	first, second := &source{&asked{}}, &source{&asked{}}
	p.noteSource(jitter.PathDirect, first)
	p.noteSource(jitter.PathForwarded, second)
	if got := unusable() - impossible; got != 2*onTrack {
		t.Errorf("%d packets of the tracks are unusable, want %d", got, 2*onTrack)
	}
	p.endSource(jitter.PathDirect, first)
	if got := unusable() - impossible; got != 2*onTrack {
		t.Errorf("%d after a track has ended, want %d", got, 2*onTrack)
	}
	p.noteSource(jitter.PathDirect, &source{&asked{}})
	if got := unusable() - impossible; got != 3*onTrack {
		t.Errorf("%d with the next track, want %d", got, 3*onTrack)
	}
}

// wornRender is a loudspeaker whose device had its troubles.
type wornRender struct{ *fakeRender }

func (wornRender) Stats() device.Stats { return device.Stats{Invalid: 3, Reopens: 4} }

// wornCapture is a microphone of the same kind.
type wornCapture struct{ device.Capture }

func (wornCapture) Stats() device.Stats { return device.Stats{Invalid: 10, Reopens: 20} }
func (wornCapture) Info() device.Format { return device.Format{Name: "worn"} }

func TestTroublesOfBothDevicesAreCounted(t *testing.T) {
	var self Self
	(&microphone{source: wornCapture{}}).describe(&self)
	p := newTestPlayout(t)
	p.swap(wornRender{newFakeRender(240)})
	p.describe(&self)
	if self.InvalidSamples != 13 || self.Reopens != 24 {
		t.Errorf("%d samples were no numbers, %d times opened again; want 13 and 24", self.InvalidSamples, self.Reopens)
	}
}
