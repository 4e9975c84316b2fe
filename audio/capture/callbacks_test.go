//go:build aec3

package capture

import (
	"fmt"
	"testing"

	"gasso/audio/audiotest"
	"gasso/audio/ring"
)

// TestEchoIsCancelledWhateverTheCallbacksAndTheDrift lets microphone and loudspeaker deliver in blocks from
// one sample to a second, and their clocks run apart. (When both deliver a second at a time nothing tells how
// far ahead the loudspeaker is: that is beyond what a canceller can find.)
func TestEchoIsCancelledWhateverTheCallbacksAndTheDrift(t *testing.T) {
	far := audiotest.Speech(7, -20, 60*sampleRate)
	for _, test := range []struct {
		near, far int
		ppm       float64
	}{
		{1, 480, 0}, {64, 441, 0}, {441, 64, 0}, {240, 1, 0}, {4800, 4800, 0}, {4800, 64, 200}, {441, 4800, -200},
		{48000, 480, 0}, {240, 48000, 0}, {48000, 4800, 200}, {240, 240, 200}, {240, 240, -200},
	} {
		t.Run(fmt.Sprintf("%d and %d samples, %+.0f ppm", test.near, test.far, test.ppm), func(t *testing.T) {
			rig := &echoRig{far: far, ring: ring.New(4*sampleRate, 2), period: test.far, ppm: test.ppm}
			m := newFakeSource(func(f int64) float32 { return rig.echo(f, 40*48) })
			m.ring = ring.New(4*sampleRate, 2)
			cfg := testConfig(m, 1, 240)
			cfg.Far = rig.ring
			c := newCapturer(cfg)
			defer cfg.Engines.Close()
			if err := c.chain.SetProcessing(Processing{EchoCancellation: true}); err != nil {
				t.Fatal(err)
			}
			// What the loudspeaker takes in one callback it plays afterwards, so its ring is ahead by up to one.
			rig.played = float64(test.far)
			pcm := make([]float32, 240)
			var out []float32
			for m.frames < 40*sampleRate {
				rig.tick(test.near)
				m.callback(test.near)
				for c.captureFrame(pcm) {
					out = append(out, pcm...)
				}
			}
			loud := audiotest.RMSDB(far[25*sampleRate:35*sampleRate]) - 6.02
			got := loud - audiotest.RMSDB(out[25*sampleRate:35*sampleRate])
			stats := c.stats()
			t.Logf("echo is %.1f dB quieter; far end padded %d, dropped %d", got, stats.FarPadded, stats.FarDropped)
			if got < 25 {
				t.Errorf("echo is %.1f dB quieter, want at least 25", got)
			}
		})
	}
}
