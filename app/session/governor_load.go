package session

import (
	"math"
	"runtime/debug"

	"gasso/audio/device"
	"gasso/internal/procstat"
)

// heapShare of what the system grants is what the collector keeps to; the rest is for what is not the
// heap.
const heapShare = 0.8

// watcher turns counters into what happened between two looks.
type watcher struct {
	devices [2]device.Stats // microphone and loudspeaker, as last seen
	set     int64           // bytes that the collector keeps to because of GOMEMLIMIT; 0 without
	limited int64           // bytes that the system granted when the collector was told
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
	var devices [2]device.Stats
	l.CaptureRatio, devices[0] = s.microphone.load()
	l.PlayoutRatio, l.Late = s.playout.load.take()
	if render := s.playout.device(); render != nil {
		devices[1] = render.Stats()
	}
	for i, d := range devices {
		seen := &w.devices[i]
		if d.LateCallbacks > seen.LateCallbacks && d.WorstLateness > seen.WorstLateness { // it is the worst of seconds
			l.Late = max(l.Late, d.WorstLateness)
		}
		l.Dropouts += max(0, d.Underruns-seen.Underruns) + max(0, d.Overruns-seen.Overruns) // a new device counts from 0
		*seen = d
	}
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

// load is the time spent on a frame by its length, and how the device does.
func (m *microphone) load() (ratio float64, stats device.Stats) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.source != nil {
		stats = m.source.Stats()
	}
	if m.mic != nil {
		frame := m.mic.Stats()
		ratio = float64(frame.FrameTime) / float64(frame.FrameDuration)
	}
	return ratio, stats
}
