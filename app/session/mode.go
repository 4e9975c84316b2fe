package session

import (
	"fmt"

	"gasso/audio/jitter"
	"gasso/net/signaling"
)

const safeFrameSamples = 480

// frameSamples is the length of a packet in samples at 48 kHz.
func frameSamples(m Mode) (int, error) {
	switch m {
	case ModeStudio:
		return 120, nil
	case ModeLive, "":
		return 240, nil
	case ModeSafe:
		return safeFrameSamples, nil
	}
	return 0, fmt.Errorf("mode %q is none of studio, live and safe", m)
}

// playerConfig is the range of delays that a mode allows, for a publication. Speech in long packets
// carries copies (encoderLocked).
func playerConfig(m Mode, of *signaling.Publication) jitter.Config {
	cfg := jitter.Live()
	switch m {
	case ModeStudio:
		cfg = jitter.Studio()
	case ModeSafe:
		cfg = jitter.Safe()
	}
	cfg.FEC = !of.Music && of.FrameSamples >= safeFrameSamples
	return cfg
}

// leastReserve is by how many samples more than it moves at once the loudspeaker is kept ahead.
func leastReserve(m Mode) int64 {
	if m == ModeStudio {
		return 60
	}
	return 180
}
