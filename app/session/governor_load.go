package session

import (
	"math"
	"runtime/debug"

	"gasso/internal/procstat"
)

// heapShare of what the system grants is what the collector keeps to; the rest is for what is not the
// heap.
const heapShare = 0.8

// watcher turns counters into what happened between two looks.
type watcher struct {
	dropouts int64
	set      int64 // bytes that the collector keeps to because of GOMEMLIMIT; 0 without
	limited  int64 // bytes that the system granted when the collector was told
}

func newWatcher() *watcher {
	w := &watcher{}
	if set := debug.SetMemoryLimit(-1); set < math.MaxInt64 {
		w.set = set
	}
	return w
}

// look is the load since the last one.
func (w *watcher) look(s *Session, u procstat.Usage) Load {
	l := Load{
		CPUPercent: u.CPUPercent, CPULimitPercent: float64(s.governing.limit.Load()), CPUQuotaPercent: u.CPUQuotaPercent,
		ThrottledPercent: u.ThrottledPercent, MachinePercent: u.MachinePercent, MemoryBytes: u.MemoryBytes,
	}
	l.MemoryLimitBytes = w.limitMemory(u.MemoryLimitBytes)
	ratio, overruns := s.microphone.load()
	l.CaptureRatio = ratio
	dropouts := overruns + s.playout.underrunsSoFar()
	l.Dropouts = max(0, dropouts-w.dropouts) // a new device counts from 0
	w.dropouts = dropouts
	return l
}

// limitMemory makes the collector work harder when the heap nears what the system grants, and returns
// what the whole process has to keep to. A limit that somebody set is left as it is.
func (w *watcher) limitMemory(granted int64) int64 {
	if w.set > 0 {
		if granted == 0 {
			return w.set
		}
		return min(granted, w.set)
	}
	if granted != w.limited {
		limit := int64(math.MaxInt64)
		if granted > 0 {
			limit = int64(heapShare * float64(granted))
		}
		debug.SetMemoryLimit(limit)
		w.limited = granted
	}
	return granted
}

// load is the time spent on a frame by its length, and the samples lost so far.
func (m *microphone) load() (ratio float64, overruns int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.source != nil {
		overruns = m.source.Stats().Overruns
	}
	if m.mic == nil {
		return 0, overruns
	}
	stats := m.mic.Stats()
	return float64(stats.FrameTime) / float64(stats.FrameDuration), overruns
}

func (p *playout) underrunsSoFar() int64 {
	if render := p.device(); render != nil {
		return render.Stats().Underruns
	}
	return 0
}
