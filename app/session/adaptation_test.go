package session

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gasso/audio/device"
	"gasso/audio/jitter"
	"gasso/net/congestion"
	"gasso/net/packet"
	"gasso/net/peer"
	"gasso/net/signaling"
)

func TestTheLongerOfGovernorAndUplinkDecidesOnPackets(t *testing.T) {
	s := newTestSession(t)
	m := s.microphone
	m.spec.Kind, m.mode = device.Hardware, ModeStudio
	for _, c := range []struct {
		step, frame int
		want        Mode
		samples     int
	}{
		{stepNone, 0, ModeStudio, 120}, {stepNone, 120, ModeStudio, 120}, {stepNone, 240, ModeLive, 240}, {stepNone, 480, ModeSafe, 480},
		{stepFrames, 120, ModeLive, 240}, {stepFrames, 480, ModeSafe, 480}, {stepFramesMore, 240, ModeSafe, 480},
		{stepNone, 960, ModeSafe, 960}, {stepFramesMore, 960, ModeSafe, 960}, {stepNone, 0, ModeStudio, 120},
	} {
		m.lowered = c.step
		m.follow(congestion.Decision{BitrateBPS: 40_000, FrameSamples: c.frame})
		if got := m.packetMode(); got != c.want {
			t.Errorf("governor at %d, uplink at %d samples: packets as in %s, want %s", c.step, c.frame, got, c.want)
		}
		if got, err := m.qualityLocked().samples(); err != nil || got != c.samples {
			t.Errorf("governor at %d, uplink at %d samples: packets of %d (%v), want %d", c.step, c.frame, got, err, c.samples)
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

// forwards is what a server was told on one connection.
type forwards struct {
	mu     sync.Mutex
	levels map[string]string // by participant
	mix    bool
	count  int
}

// wants waits until the server was told so.
func (f *forwards) wants(t *testing.T, when, levelA, levelB string, mix bool) {
	t.Helper()
	var a, b string
	var got bool
	for range 400 {
		f.mu.Lock()
		a, b, got = f.levels["a"], f.levels["b"], f.mix
		f.mu.Unlock()
		if a == levelA && b == levelB && got == mix {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Errorf("%s: the server is asked for %q of a, %q of b, a mix %v; want %q, %q, %v", when, a, b, got, levelA, levelB, mix)
}

// toldServer is a connection with a server that notes what it is told of forwarding.
func toldServer(t *testing.T) (*signaling.Conn, *forwards) {
	t.Helper()
	f := &forwards{levels: map[string]string{}}
	ended := make(chan struct{})
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		conn, err := signaling.Accept(w, r, signaling.AcceptOptions{})
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = conn.Close(nil) }()
		for {
			m, err := conn.Receive()
			if err != nil {
				return
			}
			f.mu.Lock()
			f.count++
			switch m := m.(type) {
			case *signaling.Forwarding:
				f.levels[m.ParticipantID] = m.Level
			case *signaling.ReceiveSet:
				f.mix = m.Receive == signaling.ReceiveMix
			}
			f.mu.Unlock()
		}
	}))
	conn, err := signaling.Dial(context.Background(), strings.Replace(web.URL, "http", "ws", 1), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close(nil)
		<-ended
		web.Close()
	})
	return conn, f
}

// Everything that comes waits more and more: the server is asked to put second paths on standby first, then
// all tracks and to send a mix, and performers to send nothing directly. It is told again on another
// connection. Where no mix comes, and when there is room, everything comes back.
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
		s.performers[id] = p
	}
	s.playout.performers.Store(&performers)
	conn, server := toldServer(t)
	s.conn = conn
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
	wishes := func(id string, path int) []time.Duration { return tracks[id][path].wishes }
	last := func(id string) time.Duration {
		if w := wishes(id, jitter.PathDirect); len(w) > 0 {
			return w[len(w)-1]
		}
		return 0
	}
	during(3*time.Second, 0)
	if len(wishes("a", jitter.PathDirect)) != 0 || server.count != 0 {
		t.Fatal("something is done without while all is well")
	}
	during(2*time.Second, 100*time.Millisecond)
	server.wants(t, "at first", signaling.ForwardStandby, signaling.ForwardStandby, false)
	if last("a") != 0 || last("b") != 0 {
		t.Errorf("direct paths are declined: %v, %v", last("a"), last("b"))
	}
	if got := s.Snapshot().Self.Network.Receiving; got != ReceivesDirect {
		t.Errorf("the snapshot says %s", got)
	}
	during(3*time.Second, 100*time.Millisecond)
	server.wants(t, "later", signaling.ForwardStandby, signaling.ForwardStandby, true)
	if last("a") != declineFor || last("b") != declineFor {
		t.Errorf("direct tracks are not declined: %v, %v", last("a"), last("b"))
	}
	if got := s.Snapshot(); got.Self.Network.Receiving != ReceivesMix || got.Problem != downlinkShort {
		t.Errorf("the snapshot says %s, %q", got.Self.Network.Receiving, got.Problem)
	}
	s.conn, server = toldServer(t)
	during(time.Second, 0)
	server.wants(t, "after joining again", signaling.ForwardStandby, signaling.ForwardStandby, true)
	during(12*time.Second, 0) // no mix comes
	server.wants(t, "without a mix", signaling.ForwardStandby, signaling.ForwardStandby, false)
	if last("a") != 0 {
		t.Errorf("the direct paths are not asked for again: %v", wishes("a", jitter.PathDirect))
	}
	during(20*time.Second, 0)
	if w := wishes("a", jitter.PathDirect); slices.Index(w, 0) != len(w)-wantedAgain {
		t.Errorf("that the direct paths are wanted is said once, and may get lost: %v", w)
	}
	server.wants(t, "with room for all", signaling.ForwardFull, signaling.ForwardFull, false)
	if len(wishes("a", jitter.PathForwarded))+len(wishes("b", jitter.PathForwarded)) != 0 {
		t.Error("the server is told on its tracks")
	}
	told := server.count
	during(5*time.Second, 0)
	if server.count != told {
		t.Error("the server is told again and again")
	}
}
