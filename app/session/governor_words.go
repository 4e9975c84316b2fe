package session

import "strings"

// What the governor says; the window translates each sentence.
const (
	saidLimit     = "The CPU limit is reached, so Gasso does less."
	saidQuota     = "The system gives Gasso too little CPU time, so Gasso does less."
	saidBusy      = "This computer is too busy, so Gasso does less."
	saidMemory    = "Memory is short, so Gasso does less."
	saidMeters    = "Meters move more slowly."
	saidEncoder   = "Your sound is encoded with less effort."
	saidNoise     = "Noise suppression is off for now."
	saidFrames    = "Your packets are longer, so you are heard a little later."
	saidRaise     = "It still needs more than the limit; raise the limit."
	saidNotEnough = "It is still not enough; close other programs."
	saidBack      = "Gasso does everything as you set it again."
)

// words say why quality was lowered from what was asked for, and what that changed.
func (g *governor) words(asked quality) string {
	if g.step == stepNone && !g.exhausted {
		return saidBack
	}
	now := asked.lower(g.step)
	said := []string{g.reason.words()}
	for _, c := range []struct {
		changed bool
		said    string
	}{
		{now.meterInterval != asked.meterInterval, saidMeters},
		{now.complexity != asked.complexity, saidEncoder},
		{now.noise != asked.noise, saidNoise},
		{now.mode != asked.mode, saidFrames},
		{g.exhausted && g.reason == ReasonCPULimit, saidRaise},
		{g.exhausted && g.reason != ReasonCPULimit, saidNotEnough},
	} {
		if c.changed {
			said = append(said, c.said)
		}
	}
	return strings.Join(said, " ")
}

func (r GovernorReason) words() string {
	switch r {
	case ReasonCPULimit:
		return saidLimit
	case ReasonCPUQuota:
		return saidQuota
	case ReasonMemory:
		return saidMemory
	}
	return saidBusy
}
