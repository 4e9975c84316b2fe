package session

import (
	"testing"
	"time"

	"gasso/audio/device"
	"gasso/audio/jitter"
	"gasso/net/congestion"
	"gasso/net/packet"
	"gasso/net/peer"
)

func TestTheLongerOfGovernorAndUplinkDecidesOnPackets(t *testing.T) {
	s := newTestSession(t)
	m := s.microphone
	m.spec.Kind, m.mode = device.Hardware, ModeStudio
	for _, c := range []struct {
		step, frame int
		want        Mode
	}{
		{stepNone, 0, ModeStudio}, {stepNone, 120, ModeStudio}, {stepNone, 240, ModeLive}, {stepNone, 480, ModeSafe},
		{stepFrames, 120, ModeLive}, {stepFrames, 480, ModeSafe}, {stepFramesMore, 240, ModeSafe},
	} {
		m.lowered = c.step
		m.follow(congestion.Decision{BitrateBPS: 40_000, FrameSamples: c.frame})
		if got := m.packetMode(); got != c.want {
			t.Errorf("governor at %d, uplink at %d samples: packets as in %s, want %s", c.step, c.frame, got, c.want)
		}
		if got := m.askedUplink().FrameSamples; c.step == stepNone && got != 120 {
			t.Errorf("the uplink is asked for packets of %d samples, which it lengthened itself", got)
		}
	}
	if got := m.encoderLocked(240).BitrateBPS; got != 40_000 {
		t.Errorf("the encoder has %d bit/s", got)
	}
	if got := m.askedUplink().BitrateBPS; got != voiceBitrate {
		t.Errorf("the uplink is asked for %d bit/s", got)
	}
}

func TestBoundsOfTheBitrate(t *testing.T) {
	for _, c := range []struct {
		least, most int
		ok          bool
	}{{0, 0, true}, {6000, 0, true}, {0, 510_000, true}, {64_000, 64_000, true}, {5999, 0, false}, {0, 510_001, false}, {64_000, 32_000, false}, {-1, 0, false}} {
		if err := CheckBitrate(c.least, c.most); (err == nil) != c.ok {
			t.Errorf("%d to %d: %v", c.least, c.most, err)
		}
	}
}

// declining is a track that is done without.
type declining struct {
	asked
	wishes   []time.Duration
	expected int64
}

func (d *declining) Decline(wish time.Duration) { d.wishes = append(d.wishes, wish) }

func (d *declining) Counters() peer.SubscriberCounters {
	d.expected += 50
	return peer.SubscriberCounters{Expected: d.expected}
}

// Everything that comes waits more and more: second paths are declined first, then all tracks, and the
// server is asked for a mix. Where none comes, and when there is room, everything comes back.
func TestAShortDownlinkDoesWithout(t *testing.T) {
	s := newTestSession(t)
	tracks := map[string]*[2]declining{}
	var performers []*performer
	for _, id := range []string{"a", "b"} {
		p := newPerformer(id)
		tracks[id] = &[2]declining{}
		for path := range p.sources {
			p.noteSource(path, &source{&tracks[id][path]})
		}
		performers = append(performers, p)
	}
	s.playout.performers.Store(&performers)
	now, sample := time.Unix(1e9, 0), int64(1_000_000)
	during := func(d time.Duration, jammed time.Duration) {
		for range d / (50 * time.Millisecond) {
			now, sample = now.Add(50*time.Millisecond), sample+2400
			for _, p := range performers {
				for path := range p.sources {
					for i := range int64(10) {
						p.incoming[path].note(&packet.Packet{FirstSample: sample + 240*i}, now.Add(jammed+time.Duration(i)*5*time.Millisecond))
					}
				}
			}
			if now.UnixMilli()%250 == 0 {
				s.adaptDownlink(now)
			}
		}
	}
	last := func(id string, path int) time.Duration {
		w := tracks[id][path].wishes
		if len(w) == 0 {
			return 0
		}
		return w[len(w)-1]
	}
	during(3*time.Second, 0)
	if len(tracks["a"][jitter.PathForwarded].wishes)+len(tracks["a"][jitter.PathDirect].wishes) != 0 {
		t.Fatal("something is declined while all is well")
	}
	during(2*time.Second, 100*time.Millisecond)
	for _, id := range []string{"a", "b"} {
		if last(id, jitter.PathForwarded) != declineFor || last(id, jitter.PathDirect) != 0 {
			t.Errorf("%s: forwarded %v, direct %v; want the second path declined", id, last(id, jitter.PathForwarded), last(id, jitter.PathDirect))
		}
	}
	if got := s.Snapshot().Self.Network.Receiving; got != ReceivesDirect {
		t.Errorf("the snapshot says %s", got)
	}
	during(3*time.Second, 100*time.Millisecond)
	if last("a", jitter.PathDirect) != declineFor || last("b", jitter.PathForwarded) != declineFor {
		t.Errorf("tracks are not declined: %v", tracks["a"][jitter.PathDirect].wishes)
	}
	if got := s.Snapshot(); got.Self.Network.Receiving != ReceivesMix || got.Problem != downlinkShort {
		t.Errorf("the snapshot says %s, %q", got.Self.Network.Receiving, got.Problem)
	}
	during(13*time.Second, 0) // no mix comes
	if last("a", jitter.PathDirect) != 0 || last("a", jitter.PathForwarded) != declineFor {
		t.Errorf("the direct paths are not asked for again: %v", tracks["a"][jitter.PathDirect].wishes)
	}
	during(20*time.Second, 0)
	for _, id := range []string{"a", "b"} {
		if last(id, jitter.PathForwarded) != 0 || last(id, jitter.PathDirect) != 0 {
			t.Errorf("%s: not everything comes back", id)
		}
	}
}
