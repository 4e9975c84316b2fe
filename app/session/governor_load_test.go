package session

import (
	"math"
	"runtime/debug"
	"testing"
	"time"

	"gasso/audio/device"
	"gasso/internal/procstat"
)

func TestTheCollectorKeepsToWhatIsGranted(t *testing.T) {
	before := debug.SetMemoryLimit(math.MaxInt64)
	defer debug.SetMemoryLimit(before)
	check := func(when string, got, want, collector int64) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %d bytes are left, want %d", when, got, want)
		}
		if c := debug.SetMemoryLimit(-1); c != collector {
			t.Errorf("%s: the collector keeps to %d bytes, want %d", when, c, collector)
		}
	}
	w := newWatcher()
	check("without limit", w.limitMemory(0), 0, math.MaxInt64)
	check("with one", w.limitMemory(1<<30), 1<<30, (1<<30)*8/10)
	check("taken back", w.limitMemory(0), 0, math.MaxInt64)
	debug.SetMemoryLimit(1 << 29) // as GOMEMLIMIT does
	w = newWatcher()
	check("set", w.limitMemory(0), 1<<29, 1<<29)
	check("set above what is granted", w.limitMemory(1<<28), 1<<28, 1<<29)
	check("set below what is granted", w.limitMemory(1<<30), 1<<29, 1<<29)
}

// toldRender is a loudspeaker that does as the test says.
type toldRender struct {
	*fakeRender
	stats device.Stats
}

func (r *toldRender) Stats() device.Stats { return r.stats }

func TestALookTellsWhatHappenedSinceTheOneBefore(t *testing.T) {
	s := newTestSession(t)
	render := &toldRender{newFakeRender(240), device.Stats{Underruns: 5}}
	s.playout.render = render
	w := newWatcher()
	w.look(s, procstat.Usage{})
	for i, c := range []struct {
		stats    device.Stats
		dropouts int64
		late     time.Duration
	}{
		{device.Stats{Underruns: 5}, 0, 0},
		{device.Stats{Underruns: 7}, 2, 0},
		{device.Stats{Underruns: 7, LateCallbacks: 1, WorstLateness: 30}, 0, 30},
		{device.Stats{Underruns: 7, LateCallbacks: 2, WorstLateness: 30}, 0, 0}, // the worst was before
		{device.Stats{Underruns: 7, LateCallbacks: 2, WorstLateness: 20}, 0, 0},
		{device.Stats{Underruns: 7, LateCallbacks: 3, WorstLateness: 25}, 0, 25},
		{device.Stats{Underruns: 1}, 0, 0}, // another device
	} {
		render.stats = c.stats
		if l := w.look(s, procstat.Usage{}); l.Dropouts != c.dropouts || l.Late != c.late {
			t.Errorf("look %d: %d dropouts, late by %v; want %d and %v", i, l.Dropouts, l.Late, c.dropouts, c.late)
		}
	}
}

func TestTheSessionFollowsItsGovernor(t *testing.T) {
	s := publishing(t, Processing{NoiseSuppression: true, AutoGainControl: true})
	now := time.Unix(1_000_000, 0)
	look := func(l Load, looks int) {
		for range looks {
			now = now.Add(lookEvery)
			s.govern(now, l)
		}
	}
	if g := s.governing.describe(now, s.microphone.asked()); g.Step != 0 || g.MeterInterval != meterEvery || g.Said != "" || g.Mode != ModeLive {
		t.Errorf("at first: %+v", g)
	}
	s.SetCPULimit(50)
	s.SetCPULimit(5) // is no limit
	l := newWatcher().look(s, procstat.Usage{CPUPercent: 80})
	if l.CPULimitPercent != 50 || l.CPUPercent != 80 || l.CaptureRatio < 0 || l.CaptureRatio > 1 {
		t.Errorf("load %+v", l)
	}
	look(l, 3)
	if got := s.microphone.step(); got != stepEncoderMore {
		t.Errorf("step %d after three looks", got)
	}
	s.published(t, 1)
	look(l, 1) // the model is missing, so suppression cannot be turned off
	s.published(t, 2)
	if g := s.governing.describe(now, s.microphone.asked()); g.Step != stepFrames || g.Mode != ModeSafe || g.Reason != ReasonCPULimit || g.MeterInterval != 3*meterEvery {
		t.Errorf("after four looks: %+v", g)
	}
	if got := s.publication.FrameSamples; got != 480 {
		t.Errorf("packets of %d samples", got)
	}
	if got := s.Snapshot().Self; got.Mode != ModeLive || !got.Processing.NoiseSuppression {
		t.Errorf("what was asked for changed: %+v", got)
	}
	s.SetHidden(true)
	look(Load{}, 1)
	if g := s.governing.describe(now, s.microphone.asked()); g.MeterInterval != 0 {
		t.Errorf("meters of a hidden window are drawn each %v", g.MeterInterval)
	}
	s.SetHidden(false)
	look(Load{}, 29)
	s.published(t, 3)
	if got := s.publication.FrameSamples; got != 240 || s.microphone.step() != stepNone {
		t.Errorf("packets of %d samples at step %d", got, s.microphone.step())
	}
	if g := s.governing.describe(now, s.microphone.asked()); g.Said != "" {
		t.Errorf("still says %q", g.Said)
	}
}

func TestNoiseSuppressionIsOffForNow(t *testing.T) {
	s := newTestSession(t)
	s.cfg.NoiseModel = []byte("any")
	m := s.microphone
	m.processing = Processing{NoiseSuppression: true, EchoCancellation: true}
	m.lower(stepNoise)
	if p := m.processedLocked(); p.NoiseSuppression || !p.EchoCancellation {
		t.Errorf("processing is %+v", p)
	}
	s.governing.governor.step = stepNoise
	if g := s.Snapshot().Self; !g.Governor.NoiseOff || !g.Processing.NoiseSuppression {
		t.Errorf("the snapshot is %+v", g)
	}
	m.lower(stepNone)
	if p := m.processedLocked(); !p.NoiseSuppression {
		t.Errorf("processing is %+v", p)
	}
}

func TestCPULimits(t *testing.T) {
	for percent, ok := range map[int]bool{0: true, 10: true, 400: true, 9: false, 401: false, -1: false} {
		if err := CheckCPULimit(percent); (err == nil) != ok {
			t.Errorf("%d: %v", percent, err)
		}
	}
}

func (m *microphone) step() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.lowered
}
