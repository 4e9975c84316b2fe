package session

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"gasso/audio/device"
)

// SoundSystems names the sound systems that this kind of computer may have, best first.
func SoundSystems() []string { return device.Backends() }

// soundSystem is the name of the one that devices are opened with; empty chooses.
type soundSystem struct{ chosen atomic.Pointer[string] }

func (s *soundSystem) name() string {
	if chosen := s.chosen.Load(); chosen != nil {
		return *chosen
	}
	return ""
}

// SetSoundSystem chooses the sound system, one of SoundSystems or empty, of the inputs and outputs that
// are opened from now on.
func (s *Session) SetSoundSystem(name string) error {
	if name != "" && !slices.Contains(SoundSystems(), name) {
		return fmt.Errorf("sound system %q is not known here; there are %s", name, strings.Join(SoundSystems(), ", "))
	}
	s.microphone.soundSystem.chosen.Store(&name)
	s.playout.soundSystem.chosen.Store(&name)
	return nil
}
