package session

import (
	"gasso/audio/device"
	"gasso/audio/ring"
)

// Position is where a device is in its sound.
type Position struct {
	ring.Stamp
	PeriodSamples int // that one callback moves
}

// Positions tells where the devices of microphone and loudspeaker are, for measurements that line the
// two up; zero without a device.
func (s *Session) Positions() (capture, render Position) {
	s.microphone.mu.Lock()
	source := s.microphone.source
	s.microphone.mu.Unlock()
	if source != nil {
		capture = Position{source.Stamp(), source.Info().PeriodSamples}
	}
	if device := s.playout.device(); device != nil {
		render = Position{device.Stamp(), device.Info().PeriodSamples}
	}
	return capture, render
}

// RenderStats counts what happened to the loudspeaker's device, for measurements; zero without one.
func (s *Session) RenderStats() device.Stats {
	if render := s.playout.device(); render != nil {
		return render.Stats()
	}
	return device.Stats{}
}
