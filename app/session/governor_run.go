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
	w := newWatcher()
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
	if reason == ReasonMemory {
		debug.FreeOSMemory()
	}
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
