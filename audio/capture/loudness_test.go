package capture

import (
	"math"
	"testing"

	"gasso/audio/meter"
)

func TestLoudnessIsMeasuredWhileItIsOn(t *testing.T) {
	source := newFakeSource(func(frame int64) float32 { return 0.1 * float32(math.Sin(2*math.Pi*1000*float64(frame)/48000)) })
	s := simulate(t, source, testConfig(source, 1, 240))
	s.mic.SetLoudness(false)
	s.run(1)
	if got := s.mic.Stats(); got.Loudness.Momentary != meter.FloorDB || got.TruePeakDB != meter.FloorDB {
		t.Errorf("off, but loudness %+v, true peak %v dBTP", got.Loudness, got.TruePeakDB)
	}
	s.mic.SetLoudness(true)
	s.run(1)
	// a sine of 1 kHz at -20 dBFS in one channel: -23 LUFS (EBU Tech 3341, 2.8)
	if got := s.mic.Stats(); math.Abs(got.Loudness.Momentary+23) > 0.2 || math.Abs(got.TruePeakDB+20) > 0.2 {
		t.Errorf("on: loudness %+v, true peak %v dBTP", got.Loudness, got.TruePeakDB)
	}
}
