package session

import (
	"testing"
	"time"

	"gasso/audio/device"
)

func TestConditionOfADeviceInWords(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	gone, silent := device.Stats{Fallback: true}, device.Stats{Silent: true}
	for name, steps := range map[string][]struct {
		at    time.Duration
		stats device.Stats
		want  string
	}{
		"all is well":     {{0, device.Stats{}, ""}},
		"silence":         {{0, silent, microphoneSilent}, {time.Second, device.Stats{}, ""}},
		"never there":     {{0, gone, microphoneStandIn}},
		"silent stand-in": {{0, device.Stats{Fallback: true, Silent: true}, microphoneStandIn + " " + microphoneSilent}},
		"gone and back": {
			{0, device.Stats{}, ""}, {time.Second, device.Stats{Dead: true}, microphoneStopped}, {2 * time.Second, gone, microphoneStandIn},
			{time.Minute, device.Stats{}, microphoneBack}, {time.Minute + backShown - 1, device.Stats{}, microphoneBack}, {time.Minute + backShown, device.Stats{}, ""},
		},
		"the stand-in goes too": {
			{0, gone, microphoneStandIn}, {time.Second, device.Stats{Dead: true}, microphoneStopped}, {2 * time.Second, device.Stats{}, microphoneBack},
		},
	} {
		var c condition
		c.begin(true)
		for _, s := range steps {
			problem, news := c.microphone(s.stats, start.Add(s.at))
			if got := problem + news; got != s.want || (news != "") != (s.want == microphoneBack) {
				t.Errorf("%s, after %v: problem %q, news %q; want %q", name, s.at, problem, news, s.want)
			}
		}
	}
	var c condition
	c.begin(true)
	c.output(gone, start)
	c.begin(true)
	if problem, news := c.output(device.Stats{Silent: true}, start); problem+news != "" {
		t.Errorf("another loudspeaker begins with %q", problem+news)
	}
	if got := c.ofHardware(time.Second); got != time.Second {
		t.Errorf("a sound device is late by %v", got)
	}
	c.begin(false)
	if got := c.ofHardware(time.Second); got != 0 {
		t.Errorf("a file is late by %v", got)
	}
	for want, stats := range map[string]device.Stats{"": silent, microphoneStopped: {Dead: true}} {
		if got, _ := c.microphone(stats, start); got != want {
			t.Errorf("of silence from a file: %q, want %q", got, want)
		}
	}
}
