package session

import (
	"fmt"

	"gasso/audio/jitter"
)

// frameSamples is the length of a packet in samples at 48 kHz.
func frameSamples(m Mode) (int, error) {
	switch m {
	case ModeStudio:
		return 120, nil
	case ModeLive, "":
		return 240, nil
	case ModeSafe:
		return 480, nil
	}
	return 0, fmt.Errorf("mode %q is none of studio, live and safe", m)
}

// playerConfig is the range of delays that a mode allows.
func playerConfig(m Mode) jitter.Config {
	switch m {
	case ModeStudio:
		return jitter.Studio()
	case ModeSafe:
		return jitter.Safe()
	}
	return jitter.Live()
}

// leastReserve is by how many samples more than it moves at once the loudspeaker is kept ahead.
func leastReserve(m Mode) int64 {
	if m == ModeSafe {
		return 60
	}
	return 0
}
