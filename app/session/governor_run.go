package session

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"gasso/audio/capture"
	"gasso/internal/procstat"
)

// governing is the governor of a running session and what it was told.
type governing struct {
	limit  atomic.Int64 // percent of one core; 0 for none
	hidden atomic.Bool

	mu       sync.Mutex
	governor governor
	load     Load
	asked    quality
}

// The limits, in percent of one core, that can be set.
const (
	leastCPULimit = 10
	mostCPULimit  = 400
)

// CheckCPULimit says what is wrong with a CPU limit in percent of one core; 0 is none.
func CheckCPULimit(percent int) error {
	if percent != 0 && (percent < leastCPULimit || percent > mostCPULimit) {
		return fmt.Errorf("a CPU limit of %d %% is not possible; it takes 0 for none, or %d to %d %% of one core", percent, leastCPULimit, mostCPULimit)
	}
	return nil
}

// SetCPULimit makes the session lower its quality rather than use more of one core than so many
// percent; 0 sets no limit. What is no limit changes nothing.
func (s *Session) SetCPULimit(percent int) {
	if CheckCPULimit(percent) == nil {
		s.governing.limit.Store(int64(percent))
	}
}

// SetHidden tells whether nobody can see the window, so that nothing is measured for it.
func (s *Session) SetHidden(hidden bool) {
	s.governing.hidden.Store(hidden)
}

// runGovernor looks at the load once a second and lowers the quality or gives it back, until ctx ends.
func (s *Session) runGovernor(ctx context.Context) {
	sampler := procstat.NewSampler(time.Now())
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var w watch
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			s.govern(now, w.look(s, sampler.Sample(now)))
		}
	}
}

// govern decides on a load and acts.
func (s *Session) govern(now time.Time, l Load) {
	asked := s.microphone.asked()
	if s.governing.hidden.Load() {
		asked.meterInterval = 0
	}
	g := &s.governing
	g.mu.Lock()
	changed := g.governor.observe(now, l, asked)
	step, reason := g.governor.step, g.governor.reason
	g.load, g.asked = l, asked
	g.mu.Unlock()
	if !changed {
		return
	}
	s.log.Info("quality follows the load", "step", step, "reason", reason, "load", l)
	s.microphone.lower(step)
}

// describe is what a screen shows of the governor.
func (g *governing) describe(now time.Time) Governor {
	g.mu.Lock()
	defer g.mu.Unlock()
	in := g.asked.lower(g.governor.step)
	out := Governor{
		Step: g.governor.step, NoiseOff: g.asked.noise && !in.noise, Mode: in.mode,
		MeterInterval: in.meterInterval, Load: g.load,
	}
	if out.Step != stepNone || g.governor.exhausted {
		out.Reason, out.Said = g.governor.reason, g.governor.words(g.asked)
	} else if now.Sub(g.governor.changed) < saidFor {
		out.Said = g.governor.words(g.asked)
	}
	return out
}

// watch turns counters into what happened between two looks.
type watch struct {
	dropouts int64
	limited  int64 // bytes that the collector was told to keep to
}

// look is the load since the last one.
func (w *watch) look(s *Session, u procstat.Usage) Load {
	l := Load{
		CPUPercent: u.CPUPercent, CPULimitPercent: float64(s.governing.limit.Load()), CPUQuotaPercent: u.CPUQuotaPercent,
		ThrottledPercent: u.ThrottledPercent, MachinePercent: u.MachinePercent,
		MemoryBytes: u.MemoryBytes, MemoryLimitBytes: u.MemoryLimitBytes,
	}
	l.CaptureRatio = s.microphone.frameRatio()
	dropouts := s.microphone.overruns() + s.playout.underrunsNow()
	l.Dropouts = max(0, dropouts-w.dropouts) // a new device counts from 0
	w.dropouts = dropouts
	w.limitMemory(l.MemoryLimitBytes)
	return l
}

// limitMemory makes the collector work harder when the heap nears what the system grants, and leaves
// the rest to what is not the heap.
func (w *watch) limitMemory(most int64) {
	if most > 0 && most != w.limited {
		debug.SetMemoryLimit(most * 8 / 10)
		w.limited = most
	}
}

// asked is the quality that the performer set.
func (m *microphone) asked() quality {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.askedLocked()
}

func (m *microphone) askedLocked() quality {
	return quality{
		meterInterval: meterEvery, complexity: fullComplexity,
		noise: m.processing.NoiseSuppression && !m.processing.Music && m.session.cfg.NoiseModel != nil, mode: m.mode,
	}
}

// qualityLocked is what the governor leaves of the quality.
func (m *microphone) qualityLocked() quality { return m.askedLocked().lower(m.lowered) }

// processedLocked are the stages that the governor leaves on.
func (m *microphone) processedLocked() capture.Processing {
	p := capture.Processing(m.processing)
	if m.askedLocked().noise && !m.qualityLocked().noise {
		p.NoiseSuppression = false
	}
	return p
}

// lower takes the governor's step. Other packets are another publication; the rest changes while sound
// runs.
func (m *microphone) lower(step int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := m.qualityLocked()
	m.lowered = step
	now := m.qualityLocked()
	switch {
	case m.mic == nil:
		return
	case now.mode != before.mode:
		m.endPublicationLocked()
		return
	case now.complexity != before.complexity:
		_ = m.mic.SetComplexity(now.complexity) // fails only for what is no complexity
	}
	if now.noise == before.noise {
		return
	}
	if err := m.mic.SetProcessing(m.processedLocked()); err != nil {
		m.session.log.Error("processing could not be switched", "error", err)
	}
}

// frameRatio is the time spent on a frame by its length.
func (m *microphone) frameRatio() float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mic == nil {
		return 0
	}
	stats := m.mic.Stats()
	return float64(stats.FrameTime) / float64(stats.FrameDuration)
}

func (m *microphone) overruns() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.source == nil {
		return 0
	}
	return m.source.Stats().Overruns
}

// underrunsNow are those of the loudspeaker.
func (p *playout) underrunsNow() int64 {
	if render := p.device(); render != nil {
		return render.Stats().Underruns
	}
	return 0
}
