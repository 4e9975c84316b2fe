package session

import (
	"time"

	"gasso/audio/device"
	"gasso/audio/mix"
)

// Monitor is how performers hear their own microphone in their loudspeaker.
type Monitor struct {
	On      bool
	GainDB  float64
	Latency time.Duration // from microphone to loudspeaker, devices and processing included; 0 while off
}

// SetMonitor lets performers hear their own microphone at so many dB, from -80, which is silent, to +12.
func (s *Session) SetMonitor(on bool, gainDB float64) {
	gainDB = max(mix.MinGainDB, min(mix.MaxGainDB, gainDB))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.monitor = Monitor{On: on, GainDB: gainDB}
	s.playout.monitor.SetGainDB(gainDB)
	s.playout.monitor.SetOn(on)
}

// monitorLocked is what a screen shows of the monitor, when microphone and loudspeaker take so long.
func (s *Session) monitorLocked(devices time.Duration) Monitor {
	m := s.monitor
	if m.On {
		m.Latency = devices + inTime(s.playout.monitor.LatencySamples())
	}
	return m
}

func inTime(samples int) time.Duration { return time.Duration(samples) * time.Second / device.Rate }
