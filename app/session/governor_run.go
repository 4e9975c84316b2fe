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
	limit atomic.Int64 // percent of one core; 0 for none

	mu       sync.Mutex
	governor governor
	load     Load
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
	s.microphone.setHidden(hidden)
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
	g := &s.governing
	g.mu.Lock()
	changed := g.governor.observe(now, l, asked)
	step, reason := g.governor.step, g.governor.reason
	g.load = l
	g.mu.Unlock()
	if !changed {
		return
	}
	s.log.Info("quality follows the load", "step", step, "reason", reason,
		"cpu_percent", l.CPUPercent, "machine_percent", l.MachinePercent, "throttled_percent", l.ThrottledPercent, "dropouts", l.Dropouts)
	s.microphone.lower(step)
	if reason == ReasonMemory {
		debug.FreeOSMemory()
	}
}

// describe is what a screen shows of the governor to somebody who asked for so much.
func (g *governing) describe(now time.Time, asked quality) Governor {
	g.mu.Lock()
	defer g.mu.Unlock()
	in := asked.lower(g.governor.step)
	out := Governor{
		Step: g.governor.step, NoiseOff: asked.noise && !in.noise, Mode: in.mode,
		MeterInterval: in.meterInterval, Load: g.load,
	}
	if out.Step != stepNone || g.governor.exhausted {
		out.Reason, out.Said = g.governor.reason, g.governor.words(asked)
	} else if now.Sub(g.governor.changed) < saidFor {
		out.Said = g.governor.words(asked)
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
	q := quality{
		meterInterval: meterEvery, loudness: true, complexity: fullComplexity,
		noise: m.processing.NoiseSuppression && !m.processing.Music && m.session.cfg.NoiseModel != nil, mode: m.mode,
	}
	if m.hidden {
		q.meterInterval, q.loudness = 0, false
	}
	return q
}

// governedLocked is what the governor leaves of the quality.
func (m *microphone) governedLocked() quality { return m.askedLocked().lower(m.lowered) }

// qualityLocked is that with packets as long as the uplink needs them.
func (m *microphone) qualityLocked() quality { return m.governedLocked().atLeast(m.uplinkFrame) }

// processedLocked are the stages that the governor leaves on.
func (m *microphone) processedLocked() capture.Processing {
	p := capture.Processing(m.processing)
	if m.askedLocked().noise && !m.qualityLocked().noise {
		p.NoiseSuppression = false
	}
	return p
}

// lower takes the governor's step.
func (m *microphone) lower(step int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := m.qualityLocked()
	m.lowered = step
	m.followLocked(before)
}

// setHidden measures nothing that only a screen needs while nobody looks.
func (m *microphone) setHidden(hidden bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := m.qualityLocked()
	m.hidden = hidden
	m.followLocked(before)
}

// followLocked brings what runs to the present quality. Other packets are another publication; the rest
// changes while sound runs.
func (m *microphone) followLocked(before quality) {
	now := m.qualityLocked()
	switch {
	case m.mic == nil:
		return
	case now.mode != before.mode || now.long != before.long:
		m.endPublicationLocked()
		return
	}
	m.mic.SetLoudness(now.loudness)
	if now.complexity != before.complexity {
		_ = m.mic.SetComplexity(now.complexity) // fails only for what is no complexity
	}
	if now.noise == before.noise {
		return
	}
	if err := m.mic.SetProcessing(m.processedLocked()); err != nil {
		m.session.log.Error("processing could not be switched", "error", err)
	}
}
