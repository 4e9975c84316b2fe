//go:build aec3

package capture

import (
	"testing"

	"gasso/audio/audiotest"
	"gasso/audio/ring"
)

var voiceChain = Processing{EchoCancellation: true, NoiseSuppression: true, AutoGainControl: true, HighPass: true}

func TestAChangeWithTheVoiceChainOnLosesNothingAndKeepsTheEchoOut(t *testing.T) {
	rig := &echoRig{far: audiotest.Speech(7, -20, 40*48000), ring: ring.New(16384, 2), period: 480}
	m := newFakeSource(func(f int64) float32 { return rig.echo(f, 40*48) })
	cfg := testConfig(m, 1, 240)
	cfg.Far, cfg.Processing = rig.ring, voiceChain
	cfg.Engines = NewEngines(model(t))
	s := simulate(t, m, cfg)
	s.before = func() { rig.tick(240) }
	s.run(12)
	for _, change := range []struct {
		frame, channels int
		music           bool
	}{{120, 1, false}, {480, 1, false}, {240, 1, false}, {240, 2, true}, {240, 1, false}, {480, 2, true}, {480, 1, false}, {120, 1, false}} {
		heard, first := s.run(2)
		end := first + int64(len(heard)/s.mic.cfg.Encoder.Channels) + int64(s.mic.LookAheadSamples())
		before, wasMusic := audiotest.RMSDB(heard), s.mic.cfg.Processing.Music
		for range 2 { // the change takes 10 ms
			s.before()
			m.callback(240)
		}
		s = s.changed(cfg, change.frame, change.channels, change.music)
		heard, first = s.run(0.5)
		begin := first + int64(s.mic.LookAheadSamples())
		after := audiotest.RMSDB(heard)
		heard, _ = s.run(1)
		later := audiotest.RMSDB(heard)
		t.Logf("%+v: gap of %d samples, echo at %.1f, then %.1f and %.1f dBFS", change, begin-end, before, after, later)
		if gap := begin - end; gap != 0 {
			t.Errorf("%+v: a gap of %d samples, want none", change, gap)
		}
		if !change.music && !wasMusic && after > max(before, -90)+6 {
			t.Errorf("%+v: echo is at %.1f dBFS after %.1f", change, after, before)
		}
		if wasMusic && later > before-25 {
			t.Errorf("%+v: echo is at %.1f dBFS after %.1f with music", change, later, before)
		}
	}
}
