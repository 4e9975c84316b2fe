package capture

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"gasso/audio/opus"
	"gasso/audio/ring"
)

// fakeSource is a device in simulated time: its rate is off by ppm, its callbacks are late by chance.
type fakeSource struct {
	ring   *ring.Ring
	wake   chan struct{}
	start  time.Time
	ppm    float64
	jitter time.Duration
	random *rand.Rand
	frames int64
	mu     sync.Mutex
	stamp  ring.Stamp    // guarded by mu
	shift  time.Duration // moved on by a gap in the device
	signal func(frame int64) float32
	buffer []float32
}

func newFakeSource(signal func(frame int64) float32) *fakeSource {
	start := time.Unix(1_800_000_000, 0)
	return &fakeSource{
		ring:   ring.New(16384, 2),
		wake:   make(chan struct{}, 1),
		start:  start,
		random: rand.New(rand.NewPCG(1, 2)),
		stamp:  ring.Stamp{At: start},
		signal: signal,
	}
}

func (m *fakeSource) Ring() *ring.Ring      { return m.ring }
func (m *fakeSource) Wake() <-chan struct{} { return m.wake }
func (m *fakeSource) Stamp() ring.Stamp {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stamp
}

// callback delivers so many frames.
func (m *fakeSource) callback(frames int) {
	m.buffer = m.buffer[:0]
	for i := range frames {
		x := float32(0)
		if m.signal != nil {
			x = m.signal(m.frames + int64(i))
		}
		m.buffer = append(m.buffer, x, x)
	}
	m.ring.Write(m.buffer)
	m.frames += int64(frames)
	late := time.Duration(0)
	if m.jitter > 0 {
		late = time.Duration(m.random.Int64N(int64(m.jitter)))
	}
	m.mu.Lock()
	m.stamp = ring.Stamp{Frames: m.frames, At: m.trueTime(m.frames).Add(late)}
	m.mu.Unlock()
}

// trueTime is when a frame had been captured.
func (m *fakeSource) trueTime(frames int64) time.Time {
	seconds := float64(frames) / (sampleRate * (1 + m.ppm*1e-6))
	return m.start.Add(time.Duration(seconds*1e9) + m.shift)
}

// roomSample is a room clock that follows local time.
func roomSample(local time.Time) int64 { return local.UnixNano() / 1000 * 48 / 1000 }

func testConfig(m *fakeSource, channels, frame int) Config {
	return Config{
		Source:     m,
		Encoder:    opus.EncoderConfig{Channels: channels, BitrateBPS: 128000, FrameSamples: frame, Complexity: 5},
		RoomSample: roomSample,
		Engines:    NewEngines(nil), // holds nothing that has to be closed until it is asked for more
	}
}

// run lets the microphone deliver for some seconds and gives every frame to use.
func run(c *capturer, m *fakeSource, seconds float64, use func(pcm []float32, first int64, gap bool)) {
	pcm := make([]float32, c.frame*c.channels)
	for range int(seconds * 200) {
		m.callback(240)
		for c.captureFrame(pcm) {
			first, gap := c.label()
			use(pcm, first, gap)
		}
	}
}

func TestFramesFollowRoomTime(t *testing.T) {
	for _, ppm := range []float64{-300, -100, 100} {
		m := newFakeSource(nil)
		m.ppm, m.jitter = ppm, 4*time.Millisecond
		// A click each 9600 room samples shows where the frames are.
		m.signal = func(frame int64) float32 {
			at := float64(roomSample(m.trueTime(frame)))
			if int64(at)%9600 < 48 {
				return 0.5
			}
			return 0
		}
		c := newCapturer(testConfig(m, 1, 240))
		worst, clicks, was := 0.0, 0, float32(0)
		begin := roomSample(m.start)
		run(c, m, 60, func(pcm []float32, first int64, gap bool) {
			if gap && c.anchors.Load() > 1 {
				t.Errorf("%g ppm: anchored anew", ppm)
			}
			for i, x := range pcm {
				if was < 0.25 && x >= 0.25 && first > begin+30*48000 {
					off := float64((first+int64(i)+4800)%9600 - 4800)
					worst = max(worst, max(off, -off))
					clicks++
				}
				was = x
			}
		})
		t.Logf("%+4.0f ppm: worst of %d clicks is off by %.0f samples, drift read as %+.1f ppm", ppm, clicks, worst, c.clock.loop.Drift()*1e6)
		if clicks < 100 || worst > 24 {
			t.Errorf("%g ppm: %d clicks, worst off by %.0f samples, want at most 24 (0.5 ms)", ppm, clicks, worst)
		}
		if d := c.clock.loop.Drift()*1e6 + ppm; d < -15 || d > 15 {
			t.Errorf("%g ppm: drift read as %.1f", ppm, c.clock.loop.Drift()*1e6)
		}
	}
}

func TestClockJumpsAnchorAnewAndSmallOnesDoNot(t *testing.T) {
	for _, test := range []struct {
		samples int64
		anchors int64
	}{{48000, 2}, {-48000, 2}, {3000, 2}, {500, 1}, {-500, 1}} {
		m := newFakeSource(nil)
		m.jitter = 4 * time.Millisecond
		m.ppm = 50
		jump := int64(0)
		cfg := testConfig(m, 1, 240)
		cfg.RoomSample = func(local time.Time) int64 { return roomSample(local) + jump }
		c := newCapturer(cfg)
		next, gaps := int64(0), int64(0)
		use := func(_ []float32, first int64, gap bool) {
			if gap {
				gaps++
			} else if first != next {
				t.Fatalf("jump of %d: frame at %d, want %d, without a gap", test.samples, first, next)
			}
			next = first + 240
		}
		run(c, m, 30, use)
		jump = test.samples
		run(c, m, 40, use)
		off := next - (roomSample(m.trueTime(m.frames)) + jump)
		if c.anchors.Load() != test.anchors || gaps != test.anchors {
			t.Errorf("jump of %d: %d anchors and %d gaps, want %d", test.samples, c.anchors.Load(), gaps, test.anchors)
		}
		if off < -280 || off > 40 { // up to a frame and the resampler's taps wait
			t.Errorf("jump of %d: frames are off by %d samples", test.samples, off)
		}
	}
}

func TestDeviceThatStopsForAWhileIsAnchoredAnew(t *testing.T) {
	m := newFakeSource(nil)
	c := newCapturer(testConfig(m, 2, 240))
	last := int64(0)
	use := func(_ []float32, first int64, _ bool) { last = first }
	run(c, m, 5, use)
	m.shift = 2 * time.Second
	run(c, m, 5, use)
	if off := last + 240 - roomSample(m.trueTime(m.frames)); off < -280 || off > 40 {
		t.Errorf("after a gap of 2 s frames are off by %d samples", off)
	}
	if c.anchors.Load() != 2 {
		t.Errorf("%d anchors, want 2", c.anchors.Load())
	}
}

func TestOverrunIsCountedAndAnchoredAnew(t *testing.T) {
	m := newFakeSource(nil)
	c := newCapturer(testConfig(m, 2, 240))
	last := int64(0)
	use := func(_ []float32, first int64, _ bool) { last = first }
	run(c, m, 2, use)
	for range 400 { // two seconds without a reader
		m.callback(240)
	}
	run(c, m, 5, use)
	if off := last + 240 - roomSample(m.trueTime(m.frames)); off < -280 || off > 40 {
		t.Errorf("after an overrun frames are off by %d samples", off)
	}
	if s := c.stats(); s.Overruns == 0 || s.Anchors != 2 {
		t.Errorf("%d frames lost and %d anchors, want some and 2", s.Overruns, s.Anchors)
	}
}

func TestAMicrophoneGoesOnAfterTheOneBefore(t *testing.T) {
	for unread, most := range map[int]int64{0: 480, 60: 60*240 - mostWaiting + 480} {
		m := newFakeSource(nil)
		cfg := testConfig(m, 2, 240)
		c := newCapturer(cfg)
		end := int64(0)
		run(c, m, 2, func(_ []float32, first int64, _ bool) { end = first + 240 })
		for range unread { // the change takes so long
			m.callback(240)
		}
		cfg.Before, cfg.Encoder.FrameSamples = &Microphone{cfg: cfg, capture: c}, 480
		c = newCapturer(cfg)
		begin, last, frames := int64(0), int64(0), 0
		run(c, m, 1, func(_ []float32, first int64, gap bool) {
			if frames == 0 {
				begin = first
			} else if gap || first != last+480 {
				t.Errorf("%d unread: frame %d is at %d after %d, gap %v", unread, frames, first, last, gap)
			}
			last = first
			frames++
		})
		if pause := begin - end; pause < 0 || pause > most {
			t.Errorf("%d unread: a pause of %d samples, want at most %d", unread, pause, most)
		}
		if off := last + 480 - roomSample(m.trueTime(m.frames)); off < -600 || off > 40 {
			t.Errorf("%d unread: frames are off by %d samples", unread, off)
		}
		other := newFakeSource(nil)
		cfg.Source = other
		if c := newCapturer(cfg); c.clock.anchored {
			t.Error("another source is taken for a continuation")
		}
	}
}
